"""The report's words, (Korean, English) by key: of the page itself (PAGE) and of what its script builds (SCRIPT)."""

from __future__ import annotations

from aireal.figures.words import CLASS_NAMES, UNCERTAIN

PAGE = {
    "title": ("사진인가, AI가 만든 이미지인가: 결과 보고서", "Photograph or AI-made: the report"),
    "lead": (
        "판정, 확률, 히트맵, 문장, 그리고 그것이 얼마나 맞는지를 한 파일에 담았습니다. 인터넷 없이 열립니다.",
        "Verdicts, probabilities, heatmaps and sentences, and how far they hold, in one file. It needs no internet.",
    ),
    "skip": ("그림으로 건너뛰기", "Skip to the pictures"),
    "summary": ("요약", "Summary"),
    "summary_note": (
        "굵은 수는 측정값, 대괄호와 가로선은 95% 구간, 점선은 우연히 얻을 값입니다.",
        "Bold: measured value. Brackets and bars: 95% interval. Dashed line: chance level.",
    ),
    "reading": (
        "이 수치는 위와 같은 데이터에서 잰 것이며, 그림 한 장에 대한 증거가 아닙니다. "
        "누구도 이런 판정만으로 의심해서는 안 됩니다.",
        "These figures hold for data like these. They prove nothing about a single picture; such a verdict is no "
        "ground to accuse anybody.",
    ),
    "auroc": (
        "무작위로 고른 AI 이미지가 사진보다 높은 점수를 받을 확률 (AUROC)",
        "An AI image gets a higher score than a photograph (AUROC)",
    ),
    "auroc_elsewhere": (
        "같은 확률을 외부 이미지에서 잰 값. 내 이미지에는 이 값이 더 가깝습니다",
        "The same on pictures from elsewhere, the better guess for pictures of your own",
    ),
    "auroc_elsewhere_chosen": (
        "같은 확률을 외부 이미지에서 잰 값. 내 이미지에는 이 값이 더 가깝지만, 방법을 고를 때 쓴 이미지라 낙관적입니다",
        "The same on pictures from elsewhere: closer to pictures of your own, and optimistic, because they were used "
        "for choosing",
    ),
    "false_alarm": ("AI로 잘못 본 사진", "Photographs called AI-made"),
    "missed": ("사진으로 잘못 본 AI 이미지", "AI images called photographs"),
    "certain": ("‘불확실’ 표시가 없는 판정의 오류", "Errors among verdicts not marked uncertain"),
    "certain_elsewhere": (
        "외부 이미지에서 ‘불확실’ 표시가 없는 판정의 오류",
        "Errors among verdicts not marked uncertain, on pictures from elsewhere",
    ),
    "region": (
        "가렸을 때 지목한 영역보다 덜 중요했던 무작위 영역 (이미지별 비율의 평균)",
        "Random areas that matter less, when hidden, than the named region: mean share an image",
    ),
    "sentence_ko": (
        "히트맵의 최고점 위치를 맞게 말한 한국어 문장",
        "Korean sentences that name the place of the heatmap's peak",
    ),
    "sentence_en": (
        "히트맵의 최고점 위치를 맞게 말한 영어 문장",
        "English sentences that name the place of the heatmap's peak",
    ),
    "of": ("이미지 {:,}장에서", "on {:,} images"),
    "classifiers_short": ("분류기", "Classifiers"),
    "audit_short": ("속임수 점검", "Audit"),
    "explanations_short": ("설명", "Explanations"),
    "sentences_short": ("문장", "Sentences"),
    "classifiers": ("분류기 비교", "The classifiers compared"),
    "classifiers_note": (
        "같은 그림, 같은 분할, 같은 학습량입니다. 초기 가중치는 표에 적었습니다.",
        "The same pictures, splits and budget. The table says what they start from.",
    ),
    "forest": (
        "테스트 AUROC와 95% 구간. 점선 0.5는 동전 던지기입니다.",
        "Test AUROC with its 95% interval; the dashed line, 0.5, is chance.",
    ),
    "audit": ("무엇으로 속일 수 있나", "Shortcuts in the dataset"),
    "audit_note": (
        "그림의 내용을 보지 않고 파일과 단순한 통계만 보는 작은 분류기가 얼마나 맞히는지 봅니다. "
        "0.5면 아무것도 알 수 없습니다.",
        "Small classifiers that see file properties and simple statistics, not the picture. 0.5: they learn nothing.",
    ),
    "audit_verdict": ("감사 결과 전문 (영어)", "The audit in its own words"),
    "explanations": ("설명은 맞는가", "Do the explanations hold?"),
    "explanations_note": (
        "설명이 가리킨 곳을 가리고, 같은 크기의 다른 곳을 가렸을 때와 비교합니다.",
        "The area that an explanation names is occluded and compared with other areas of the same size.",
    ),
    "sentences": ("문장은 잰 것을 말하는가", "Do the sentences say what was measured?"),
    "sentences_note": (
        "모든 문장을 다시 읽어 기록과 비교합니다. 위치는 모델이 히트맵을 보고 찾아야 합니다.",
        "Every sentence is parsed and compared with its record. The model has to read the place off the heatmap.",
    ),
    "gallery": ("그림", "Pictures"),
    "gallery_note": (
        "그림을 누르면 히트맵, 문장, 설명을 얼마나 믿을 수 있는지가 나옵니다. 화살표 키로 넘길 수 있습니다.",
        "Open a picture for its heatmap, sentence and trust statements. Arrow keys show the next or previous one.",
    ),
    "needs_script": (
        "그림을 보려면 JavaScript를 켜 주세요. 표는 그대로 읽을 수 있습니다.",
        "The pictures need JavaScript; the tables above do not.",
    ),
    "failed": ("쓸 수 없었던 파일", "Files that could not be used"),
    "made": ("어떻게 만들었나", "How this was made"),
    "made_note": (
        "이 보고서의 모든 수치는 명령이 남긴 JSON에서 왔습니다.",
        "Every figure here comes from a JSON file that a command wrote.",
    ),
    "missing": ("빠진 부분", "Not in this report"),
    "missing_note": (
        "재지 않은 것은 빼 두었습니다. 옆의 명령으로 만들 수 있습니다.",
        "These parts were not measured; the command beside each measures it.",
    ),
    "counts": ("이 보고서의 그림", "Pictures in this report"),
    "count_all": ("그림", "pictures"),
    "count_real": ("실제 사진으로 판정", "judged real"),
    "count_fake": ("AI 이미지로 판정", "judged AI-made"),
    "count_uncertain": ("불확실한 판정", "uncertain verdicts"),
    "count_failed": ("쓸 수 없던 파일", "files that could not be used"),
    "stage": ("단계", "stage"),
    "profile": ("프로필", "profile"),
    "device": ("장치", "device"),
    "seed": ("시드", "seed"),
    "time": ("걸린 시간", "time"),
    "memory": ("최대 메모리", "peak memory"),
    "versions": ("버전", "versions"),
    "panel": ("LIME까지 한 장에", "Everything in one figure, with LIME"),
}

SCRIPT = {
    "set": ("모음", "Set"),
    "set_test": ("테스트", "test"),
    "set_demo": ("시연", "demonstration"),
    "set_explained": ("설명한 그림", "explained"),
    "verdict": ("판정", "Verdict"),
    **CLASS_NAMES,
    "uncertain": UNCERTAIN,
    "correct": ("정답 여부", "Correctness"),
    "right": ("맞음", "right"),
    "wrong": ("틀림", "wrong"),
    "no_truth": ("정답 모름", "truth unknown"),
    "generator": ("생성 모델", "Generator"),
    "photographs": ("사진", "photographs"),
    "not_stated": ("적혀 있지 않음", "not stated"),
    "trust": ("설명의 신뢰도", "Trust"),
    "good": ("모두 좋음", "all good"),
    "fair": ("섞임", "mixed"),
    "poor": ("기대지 말 것", "do not rely"),
    "unknown": ("점검 안 함", "not checked"),
    "order": ("순서", "Order"),
    "order_as_is": ("원래 순서", "as they come"),
    "order_sure": ("확실한 것부터", "most certain first"),
    "order_doubt": ("애매한 것부터", "least certain first"),
    "order_wrong": ("틀린 것 먼저, 확실한 순", "wrong first, most certain"),
    "search": ("이름 찾기", "Find a name"),
    "view": ("보기", "Show"),
    "view_picture": ("그림", "picture"),
    "view_heatmap": ("히트맵", "heatmap"),
    "all": ("전체", "all"),
    "reset": ("필터 지우기", "Clear filters"),
    "showing": (
        "{total}장 중 {n}장: 맞음 {right}, 틀림 {wrong}, 정답 모름 {open}",
        "{n} of {total}: {right} right, {wrong} wrong, {open} without a known truth",
    ),
    "nothing": ("이 조건에 맞는 그림이 없습니다.", "No picture matches these filters."),
    "close": ("닫기", "Close"),
    "previous": ("이전", "Previous"),
    "next": ("다음", "Next"),
    "position": ("{n}번째, 모두 {total}장", "{n} of {total}"),
    "truth": ("정답", "in truth"),
    "no_picture": ("그림 없음", "no picture"),
    "base": ("기본 설명", "base caption"),
    "written": ("PaliGemma가 쓴 문장", "written by PaliGemma"),
}
