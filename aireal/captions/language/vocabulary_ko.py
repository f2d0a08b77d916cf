"""The Korean half of the vocabulary: closed lists of nouns and verb stems, with a light stemmer for their endings.

Words are decomposed into letters (NFD, Unicode 16, section 3.12), so that an ending which closes the last syllable of
the stem (한, 합니다, 했습니다 from 하) is a suffix like any other. Endings are chained loosely, since the vocabulary is
checked, not the grammar.
"""

from __future__ import annotations

import re
import unicodedata

_NOUNS = """
    이미지 사진 그림 화면 모델 탐지기 판별기 분류기 검출기 신경망 네트워크 시스템 알고리즘 히트맵 열지도 오버레이 영역
    부분 부위 구역 지점 곳 자리 위치 쪽 모서리 구석 귀퉁이 코너 칸 판단 판정 판별 결론 결과 예측 추정 추론 분류 평가
    해석 분석 답 답변 확률 확신 확신도 신뢰도 가능성 수치 값 퍼센트 근거 이유 까닭 단서 증거 요인 요소 원인 바탕 토대
    기반 초점 관심 시선 주의 주목 집중 중심 핵심 특징 특성 점 것 데 때 때문 수 중 측면 사실 정도 경우 내용 의견 클래스
    유형 범주 등급 라벨 비중 무게 영향 작용 역할 참고 참조 고려 확인 관찰 식별 인식 감지 검토 계산 산출 측정 제시 지목
    지적 설명 도출 결정 선택 강조 뒷받침 반영 활용 사용 이용 기여 의거 기초 기인 귀결 귀속 해당 일치 분포 포착 색 색상
    색감 색조 빛깔 밝기 명도 질감 윤곽 윤곽선 경계 경계선 가장자리 테두리 외곽 외곽선 톤 반응 활성 활성화 온도 위 아래
    안 속 내 대상 이것 그것 여기 거기 무엇 어디 우리 결정적 대표적 중점적 종합적 최종 최종적 인공지능 여부 생성 제작
    하나 모두 주요 실마리 출발 도달 형성
"""
_ADNOMINALS = """
    이 이는 이를 이로 그 저 본 해당 주된 주로 주요 가장 더 더욱 특히 바로 곧 또 또한 및 즉 따라서 그래서 그러므로 이에
    그에 여기 거기 이때 이로써 그리고 그런데 하지만 매우 아주 무엇보다 무엇보다도 함께 같이 모두 다시 먼저 우선 결국
    최종적으로 전반 이처럼 이렇게 그렇게 어떤 한 각 큰 크게 제일 주 이곳 그곳 까지 부터 의해 대해 대한 위한 위해 통해
    따라 따른 따르면 의하면 의한 이런 이러한 그런 그러한 직접 스스로 역시 제 내 네 그만큼 그만 중요하게 강하게 주의깊게
    유심히 자세히 면밀히 오직 오로지
"""
_STEMS = """
    보 봐 보이 보여 살피 살펴 살펴보 살펴봐 들여다보 들여다봐 바라보 바라봐 지켜보 지켜봐 눈여겨보 눈여겨봐 훑어보
    훑어봐 여기 여겨 삼 두 둬 들 꼽 꼽히 꼽혀 찾 얻 말하 말해 답하 답해 밝히 밝혀 알리 알려 전하 전해 내리 내려 내려지
    내려져 내놓 내 나오 나와 나타나 나타내 드러나 드러내 드러난 이끌 이끄 이끌어내 이끌어지 이르 이르러 이른 이루 이뤄
    이루어지 이루어져 이어지 이어져 잇 이으 가리키 가리켜 짚 짚어내 향하 향해 쏠리 쏠려 끌 끄 모으 모아 모이 모여
    머무르 머물 머물러 놓 놓이 놓여 있 계시 자리하 자리해 자리잡 위치하 위치해 비롯되 비롯돼 비롯하 비롯해 기울 기운 쓰
    쓰이 쓰여 써 미치 미쳐 주 줘 맞추 맞춰 결론짓 결론지 결론지어 결정짓 결정지 결정지어 좌우하 좌우해 갖 가지 가져
    지니 지녀 남기 남겨 담기 담겨 따르 따라 의하 의해 대하 대해 관하 관해 통하 통해 위하 위해 크 커 강하 강해 높이 높여
    중요하 중요해 뜨겁 뜨거우 뜨거운 뜨거워 가깝 가까우 가까운 가까워 속하 속해 하 해 하여 되 돼 되어 시키 시켜 받 알
    읽 읽히 읽혀 뽑 뽑히 뽑혀 고르 골라 택하 택해 띠 띠어 띄 나뉘 나뉘어 매기 매겨 옮기 옮겨 이렇 그렇 같 믿 생각하
    생각해 실리 실려 기대 기대어 딛 디뎌 세우 세워 굳히 굳혀 확실하 힘입 쥐 쥐어 만들 돌아가 돌아갔 다다르 다다라
    다가가 가르 갈라 갈리 갈렸 움직이 움직여 뚫어지 이끌리 이끌려 몰리 몰려 잡히 잡혀 걸리 걸려 내세우 내세워 들어맞
    들어가 들어있 차지하 차지해 거치 거쳐 낳 다루 다뤄 더하 더해
"""
_PARTICLES = """
    은 는 이 가 을 를 의 에 에서 에게 에는 에서는 에도 에만 으로 로 으로서 로서 으로써 로써 으로는 로는 으로도 로도 와
    과 도 만 까지 부터 보다 마다 이나 나 이라도 라도 처럼 만큼 뿐 이란 란 들 조차 마저 이라는 라는 이라고 라고 이라 라
    이며 며 이고 고 이자 이면서 이므로 이지만 인 일 임 이다 입니다 이에요 예요 인데 이기 적 적인 적으로
"""
_ENDINGS = """
    ᆸ니다 았 었 였 겠 시 습니다 고 며 면 면서 지만 는 는데 은데 ᆫ데 은 을 음 기 게 도록 아 어 여 아서 어서 여서 서 다
    다고 다는 라 라고 라는 ᆫ다 ᆫ다고 ᆫ다는 우 워 던 지 므로 으므로 니 으니 으며 으로 으면 려 려고 으려 자면 듯 듯이
    ᆯ수록 으나 나 네 데 기도 지도 까 요 ᆸ니까 습니까 ᆫ지 는지 ᆯ지 ᆫ가 는가 로 이 에 를 가 의 까지 부터 만큼 보다
"""
_LIGHT = (
    "하 해 하여 되 돼 되어 받 짓 지으 지어 시키 시켜 지우 내리 내려 나 하기"  # verbs that follow a noun without a blank
)


def _letters(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _any_of(words: str) -> str:
    return "|".join(sorted({_letters(word) for word in words.split()}, key=len, reverse=True))


_FINAL = "(?<!\u1109\u1165)"  # 선 is no 서 with an ending
_PARTICLE, _NOUN, _VERB_STEM = (f"(?:{_any_of(words)})" for words in (_PARTICLES, _NOUNS, _STEMS))
_ENDING = f"(?:{_any_of(_ENDINGS)}|{_FINAL}[\u11ab\u11af\u11b7\u11bb])"  # the last: -ㄴ, -ㄹ, -ㅁ, -ㅆ
_COPULA = f"{_letters('이')}?{_letters('었')}?{_ENDING}{{1,3}}"
_DONE = f"(?:{_any_of(_LIGHT)}){_ENDING}{{0,5}}"
# what may follow a phrase that the parser read ("가짜" + 라는, "밝" + 습니다, "흰색" + 으로)
_AFTER_PHRASE = re.compile(
    f"(?:{_any_of('빛 색 색조')}|{_NOUN})?(?:{_PARTICLE}{{0,3}}|{_DONE}|{_COPULA}{_PARTICLE}?|{_ENDING}{{1,4}})"
)
# ㅏ ㅐ ㅓ ㅔ ㅕ ㅘ ㅙ ㅝ ㅞ: a stem with such an ending stands alone (해, 봐, 내려)
_OPEN = "[\u1161\u1162\u1165\u1166\u1167\u116a\u116b\u116f\u1170]"
_WORD = re.compile(
    f"(?:{_any_of(_ADNOMINALS)})|{_NOUN}{_NOUN}?(?:{_PARTICLE}{{0,3}}|{_DONE}|{_letters('이')}{_ENDING}{{1,3}}"
    f"|{_letters('였')}{_ENDING}{{1,3}})"
    f"|{_VERB_STEM}(?:{_ENDING}{{1,5}}|(?<={_OPEN}))"
)


def is_known_ko(word: str) -> bool:
    """Whether a word, with particles and endings, is in the vocabulary.

    A run of "_" before it stands for a phrase that the parser read.
    """
    rest = word.lstrip("_")
    if "_" in rest:  # a phrase in the middle of a word belongs to what comes before
        rest, _, after = rest.partition("_")
        return is_known_ko(word[: len(word) - len(rest) - len(after) - 1] + rest) and is_known_ko("_" + after)
    pattern = _AFTER_PHRASE if rest != word else _WORD
    return bool(pattern.fullmatch(_letters(rest)))
