"""The sentence shapes, as templates. The first of a language is the base caption.

Korean fields: {p} number, {c} class, {a} area ("상단 왼쪽의 밝은 흰색 영역"); a particle whose form depends on the word before it
is written with both forms, as in Korean grammars: 은(는), 이(가), 을(를), 과(와), (으)로, (이)라고, (이)라는, (이)며.
English fields: {p}; {adj} class as adjective; {noun} class as noun with article; {the} / {a} area with either article.
A sentence starts with a capital whatever stands first.
"""

from __future__ import annotations

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
    ),
}
