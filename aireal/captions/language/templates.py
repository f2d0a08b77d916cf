"""The sentence shapes, as templates. The first of a language is the base caption.

Korean fields: {p} number, {c} class, {a} area ("상단 왼쪽의 밝은 흰색 영역"), {r} and {t} its two halves: place and
thing. A particle whose form depends on the word before it is written with both forms, as in Korean grammars: 은(는),
이(가), 을(를), 과(와), (으)로, (이)라고, (이)라는, (이)며.

English fields: {p} number; {adj} class as adjective; {noun} class as noun with article; {the} and {a} area with either
article; {place} and {thing} its two halves, the thing with "a". `render` capitalizes the first letter of a sentence. No
article stands before {p}, since its form would depend on how the number is read.

Shapes keep their places and new ones go to the end, because the embedded PaliGemma was trained with the first
`N_PRETRAINED` of either language.
"""

from __future__ import annotations

N_PRETRAINED = 44

SHAPES = {
    "ko": (
        "{p}% 확률로 {c}(이)라고 판단되었으며, {a}에 집중하여 이를 판단 근거로 삼았습니다.",
        "{a}을(를) 근거로 {p}% 확률로 {c}(이)라고 판단했습니다.",
        "{p}% 확률로 {c}(으)로 분류되었고, 모델은 {a}을(를) 주로 살펴보았습니다.",
        "모델은 {a}에 주목하여 {p}% 확률로 {c}(이)라고 판정했습니다.",
        "판정 결과는 {c}이며 확률은 {p}%이고, 근거는 {a}입니다.",
        "{c}일 확률은 {p}%이며, 가장 큰 근거는 {a}입니다.",
        "{a}이(가) 중요한 근거가 되어 {c}일 확률이 {p}%로 나왔습니다.",
        "{a} 때문에 {p}% 확률로 {c}(이)라고 보았습니다.",
        "모델의 판단은 {c}입니다. 확률은 {p}%이고, {a}을(를) 근거로 삼았습니다.",
        "{p}% 확률로 {c}(이)라는 판단이 나왔으며, 그 근거는 {a}에 있습니다.",
        "판단의 초점은 {a}에 있었고, 결과는 {p}% 확률로 {c}입니다.",
        "{c}(으)로 판정되었습니다. 확률은 {p}%이며, 모델은 {a}에 집중했습니다.",
        "히트맵은 {a}을(를) 가리키며, 모델은 {p}% 확률로 {c}(이)라고 판단했습니다.",
        "모델이 {a}을(를) 살펴보고 내린 결론은 {p}% 확률로 {c}입니다.",
        "{r}에 있는 {t}에 주목한 모델은 {p}% 확률로 {c}(이)라고 판단했습니다.",
        "{p}%의 확률로 {c}에 해당하며, 이 판단은 {a}에 근거합니다.",
        "모델이 가장 크게 참고한 곳은 {a}이며, {p}% 확률로 {c}(이)라고 판정했습니다.",
        "{a}에 시선을 둔 모델은 이 이미지를 {p}% 확률로 {c}(으)로 분류했습니다.",
        "이 이미지는 {p}% 확률로 {c}이며, 히트맵은 {a}에서 가장 강합니다.",
        "결론은 {c}이고 확률은 {p}%이며, 근거는 {a}에서 찾았습니다.",
        "분류 결과 {c}일 확률은 {p}%로 계산되었고, 주목한 곳은 {a}입니다.",
        "확률 {p}%로 {c} 판정을 내렸으며, 그 이유는 {a}입니다.",
        "판단 근거는 {a}이며, 모델은 {p}% 확률로 {c}(이)라고 답했습니다.",
        "{a}이(가) 판단을 이끌어 {p}% 확률로 {c}(이)라는 결론에 이르렀습니다.",
        "{a}을(를) 보고 {c}일 확률을 {p}%로 계산했습니다.",
        "모델은 이것이 {c}일 확률을 {p}%로 보았고, 그 근거로 {a}을(를) 들었습니다.",
        "주된 근거는 {a}에 있으며, 이에 따라 {p}% 확률로 {c}(으)로 판단되었습니다.",
        "{c}(이)라는 결론의 확률은 {p}%이고, 이 결론은 {a}에 바탕을 둡니다.",
        "모델의 시선은 {a}에 머물렀고, 판정은 {p}% 확률로 {c}입니다.",
        "{p}% 확률로 {c}에 속한다고 판단했으며, 이때 {a}이(가) 크게 작용했습니다.",
        "{r}을(를) 보면 {t}이(가) 있고, 모델은 이를 근거로 {p}% 확률로 {c}(이)라고 판단합니다.",
        "{t}이(가) {r}에 있다는 점에서 모델은 {p}% 확률로 {c}(이)라고 결론지었습니다.",
        "히트맵이 가장 뜨거운 곳은 {a}이며, {c}일 확률은 {p}%입니다.",
        "{a}에 모델의 관심이 모였고, 그 결과는 {p}% 확률의 {c} 판정입니다.",
        "확률은 {p}%, 판정은 {c}, 근거는 {a}입니다.",
        "{p}%라는 확률로 {c} 판정이 나왔고, 모델이 본 곳은 {a}입니다.",
        "이 판정은 {a}에서 비롯되었으며, 내용은 {p}% 확률로 {c}(이)라는 것입니다.",
        "모델은 {c}(으)로 보았습니다. {p}%라는 확률은 {a}에서 나왔습니다.",
        "근거가 된 것은 {a}이고, 판단은 {c}, 확률은 {p}%입니다.",
        "{a}을(를) 바탕으로 모델은 {c} 쪽에 {p}%의 확률을 주었습니다.",
        "모델이 {p}% 확률로 {c}(이)라고 본 까닭은 {a}에 있습니다.",
        "{c}(이)라는 판단에는 {a}이(가) 쓰였고, 확률은 {p}%입니다.",
        "살펴본 곳은 {a}, 내린 판정은 {c}, 그 확률은 {p}%입니다.",
        "{p}% 확률로 {c}입니다. 모델은 {a}을(를) 가장 중요하게 보았습니다.",
    ),
    "en": (
        "Judged {adj} with {p}% probability; the decision rests on {the}.",
        "Because of {the}, the image is judged {adj} with {p}% probability.",
        "The model is {p}% sure that this is {noun}, looking mainly at {the}.",
        "{the} led the model to judge the image {adj} with {p}% probability.",
        "With {p}% probability this is {noun}; the main evidence is {the}.",
        "The verdict is {adj} at {p}%, based on {the}.",
        "{the} is the main reason why the image is judged {adj} with {p}% probability.",
        "This is {noun} with {p}% probability, and the model focused on {the}.",
        "The model looked at {the} and judged the image {adj} ({p}%).",
        "The heatmap points to {a}; the image is judged {adj} with {p}% probability.",
        "Judged to be {noun} with a probability of {p}%, mainly because of {a}.",
        "Looking at {the}, the model puts the probability that this is {noun} at {p}%.",
        "The model focused on {a}, and the verdict is {adj} with {p}% probability.",
        "The probability that this is {noun} is {p}%; the decision is based on {the}.",
        "{place}, {thing} leads the model to the verdict {adj} with {p}% probability.",
        "The image is classified as {adj} with a probability of {p}%, as {the} suggests.",
        "What decides is {the}: the image is {adj} with {p}% probability.",
        "It was {the} that made the model call the image {adj}, with {p}% probability.",
        "{p}% is the probability that this is {noun}, and {the} carries the decision.",
        "The image was rated {adj} with {p}% probability after the model concentrated on {the}.",
        "Attention lies on {the}, and the model arrives at {adj} with {p}% probability.",
        "The heatmap is strongest over {the}, and the verdict of the model is {adj} ({p}%).",
        "Verdict: {adj}, probability: {p}%, evidence: {the}.",
        "Since the model relies on {the}, it calls the image {adj} with {p}% probability.",
        "The detector sees {noun} here with {p}% probability and bases this on {the}.",
        "Given {the}, the detector assigns a probability of {p}% to the class {adj}.",
        "The classifier labels this {noun} at {p}%, and its attention falls on {the}.",
        "Classified as {noun} with {p}% probability, the picture draws attention to {the}.",
        "This picture is {noun} with a probability of {p}%; the heatmap highlights {the}.",
        "The decision for {adj} comes with {p}% probability and is rooted in {the}.",
        "The attention of the model settles on {a}, which yields {adj} with {p}% probability.",
        "{the} weighs most in the decision, and the result is {adj} with {p}% probability.",
        "{a} speaks for {noun}, and the model puts the probability at {p}%.",
        "The model decides that this is {noun} ({p}%), guided by {the}.",
        "Focusing on {the}, the detector reaches the verdict {adj} at {p}%.",
        "The probability of {adj} comes to {p}%, and the reason given is {the}.",
        "From {the} the model concludes, with {p}% probability, that this is {noun}.",
        "The conclusion is {adj} with {p}% probability; it was drawn from {the}.",
        "Here the model finds {noun} with {p}% probability, and {the} supports this.",
        "Asked about this picture, the model answers {adj} at {p}% and points to {the}.",
        "The image counts as {adj} with {p}% probability, which the model explains by {the}.",
        "In this picture {the} stands out to the model, whose verdict is {adj} with {p}% probability.",
        "Where the model looks is {the}, and what it says is {adj} with {p}% probability.",
        "Read from {the}, the verdict is {noun}, with a probability of {p}%.",
    ),
}

# Of a record that names no region, because its picture has no heatmap; such sentences are shown, and never parsed.
WITHOUT_REGION = {
    "ko": "{p}% 확률로 {c}(이)라고 판단되었으며, 그림에 두드러지는 곳이 없어 히트맵은 없습니다.",
    "en": "Judged {adj} with {p}% probability; there is no heatmap, because no place in the picture stands out.",
}
