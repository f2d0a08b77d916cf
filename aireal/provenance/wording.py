"""The line "from the file" in Korean and English, and the note below it."""

from __future__ import annotations

from aireal.evidence.provenance import Credentials, Mark, Provenance

from .c2pa_library import MISSING
from .source_types import source_type_words

TITLE = ("파일에 적힌 것", "From the file")
NOTE = (
    "이런 표시는 누구나 위조하거나 지울 수 있고, 없다고 해서 증명되는 것도 없습니다. 위의 확률과는 무관합니다.",
    "Such marks can be forged or removed, and their absence proves nothing. The probability above does not use them.",
)
NOTHING = (
    "콘텐츠 자격 증명, 출처 유형, 생성 프로그램의 글, 카메라 정보가 없습니다. 없다는 것은 아무것도 증명하지 않습니다",
    "no Content Credentials, source type, generator's text or camera; that proves nothing",
)
NO_MARKS = ("다른 표시 없음", "no other mark")
STATES = {  # of credentials that could be checked; {list} is the trust list's name and date
    "trusted": ("유효함, 서명자가 신뢰 목록 {list}에 있음", "valid, and the signer is on the trust list {list}"),
    "unlisted": (
        "유효함(서명 뒤 바뀌지 않음), 그러나 신뢰 목록 {list}에서 서명자를 확인하지 못했으며 "
        "누구나 이런 이름의 인증서를 만들 수 있음",
        "valid (unchanged since signing), but the trust list {list} does not vouch for the signer, and anybody can "
        "make a certificate with this name",
    ),
    "valid": (
        "유효함(서명 뒤 바뀌지 않음), 그러나 인증서를 신뢰 목록과 대조하지 않았으며 "
        "누구나 이런 이름의 인증서를 만들 수 있음",
        "valid (unchanged since signing), but the certificate was not checked against a trust list, and anybody can "
        "make one with this name",
    ),
    "invalid": ("유효하지 않음, {why}", "INVALID, {why}"),
}
PROBLEMS = (  # the first whose start fits a status code: (codes, Korean, English)
    (
        ("assertion.dataHash", "assertion.bmffHash", "assertion.boxesHash", "assertion.collectionHash"),
        "서명 뒤에 이미지가 바뀜",
        "the picture was changed after signing",
    ),
    (
        ("assertion.hashedURI", "assertion.missing", "claim."),
        "서명된 내용이 바뀜",
        "the signed statements were changed",
    ),
    (
        ("signingCredential.expired", "claimSignature.outsideValidity"),
        "인증서가 만료되었고 그 전에 서명했다는 확인이 없음",
        "the certificate has expired, and nothing shows that it signed before",
    ),
    (("claimSignature",), "서명이 맞지 않음", "the signature does not fit"),
    (("signingCredential.revoked", "signingCredential.ocsp.revoked"), "인증서가 취소됨", "the certificate was revoked"),
    (("signingCredential",), "쓸 수 없는 인증서", "the certificate is not fit for signing"),
    (("unreadable",), "자격 증명이 손상되어 읽을 수 없음", "the credentials are damaged and cannot be read"),
)
KINDS = {
    "source_type": ("출처 유형", "source type"),
    "generator": ("생성 프로그램의 글", "generator's text"),
    "camera": ("카메라", "camera"),
    "software": ("프로그램", "software"),
}
MOST_MARKS = 4  # in the line; the record has all


def line(provenance: Provenance) -> tuple[str, str]:
    """What the file says, as one line in Korean and in English, without the title and the note."""
    parts = [_credentials(provenance.credentials)] if provenance.credentials else []
    parts += [_mark(mark) for mark in provenance.marks[:MOST_MARKS]]
    if not provenance.marks and (not provenance.credentials or provenance.credentials.state == "not_read"):
        parts.append(NOTHING if not parts else NO_MARKS)
    ko, en = (" · ".join(texts) for texts in zip(*parts))
    return f"{ko}.", f"{en}."


def full_line(provenance: Provenance) -> tuple[str, str]:
    """`line` behind its title: "From the file: ..."."""
    ko, en = line(provenance)
    return f"{TITLE[0]}: {ko}", f"{TITLE[1]}: {en}"


def _credentials(credentials: Credentials) -> tuple[str, str]:
    if credentials.state == "not_read":
        return f"콘텐츠 자격 증명은 읽지 않음 ({MISSING.rpartition(': ')[2]})", MISSING
    if credentials.state == "elsewhere":
        where = credentials.host or "?"
        return (
            f"콘텐츠 자격 증명(C2PA)은 파일이 아니라 {where}에 있고, 가져오지 않음",
            f"Content Credentials (C2PA) are kept at {where}, not in the file, and were not fetched",
        )
    stated = zip(*(part for part in (_signer(credentials), _generator(credentials), *_sources(credentials)) if part))
    ko, en = ("; ".join(texts) for texts in stated)
    return f"콘텐츠 자격 증명(C2PA): {ko}", f"Content Credentials (C2PA): {en}"


def _signer(credentials: Credentials) -> tuple[str, str]:
    """Whether the signature holds, and whose it is; of an invalid one, whose it claims to be."""
    key = "unlisted" if credentials.state == "valid" and credentials.trust_list else credentials.state
    file = credentials.trust_list
    fields = {"list": f"{file.name} ({file.date})" if file else ""}
    words = [STATES[key][place].format(**fields, why=_why(credentials, place)) for place in (0, 1)]
    if not credentials.signer:
        return words[0], words[1]
    if credentials.state == "invalid":
        name = f"“{credentials.signer}”"
        return f"{words[0]}; 서명자라고 적힌 이름 {name}", f"{words[1]}; names {name} as signer"
    return f"서명자 “{credentials.signer}”: {words[0]}", f"signed by “{credentials.signer}”: {words[1]}"


def _why(credentials: Credentials, place: int) -> str:
    """The first problem of `PROBLEMS`' order in words; a code that is not there as it is."""
    for starts, *words in PROBLEMS:
        if any(code.startswith(starts) for code in credentials.problems):
            return words[place]
    code = credentials.problems[0] if credentials.problems else "?"
    return (f"규격을 어김 ({code})", f"it breaks a rule of the standard ({code})")[place]


def _generator(credentials: Credentials) -> tuple[str, str] | None:
    if not credentials.generator:
        return None
    name = f"“{credentials.generator}”"
    if credentials.state == "invalid":
        return f"만든 프로그램이라고 적힌 이름 {name}", f"claims to be generated by {name}"
    return f"만든 프로그램 {name}", f"generated by {name}"


def _sources(credentials: Credentials) -> list[tuple[str, str]]:
    """The stated source types, those of earlier versions behind."""
    newest, earlier = (
        tuple(", ".join(texts) for texts in zip(*(source_type_words(code) for code in codes)))
        for codes in (credentials.source_types, credentials.earlier_source_types)
    )
    parts = [(f"출처 유형: {newest[0]}", f"source type: {newest[1]}")] if newest else []
    if earlier:
        parts.append((f"이전 판이나 재료의 출처 유형: {earlier[0]}", f"an earlier version or part: {earlier[1]}"))
    return parts


def _mark(mark: Mark) -> tuple[str, str]:
    ko, en = source_type_words(mark.text) if mark.kind == "source_type" else (f"“{mark.text}”",) * 2
    kind = KINDS[mark.kind]
    return f"{kind[0]}({mark.place}): {ko}", f"{kind[1]} ({mark.place}): {en}"
