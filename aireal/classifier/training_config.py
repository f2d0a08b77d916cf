"""The numbers of one training."""

from __future__ import annotations

from dataclasses import dataclass

from aireal.config import Profile


@dataclass(frozen=True)
class TrainingConfig:
    """The numbers that decide the result of a training, beside the data and the initial weights.

    Raises:
        ValueError: fewer than one epoch.
    """

    epochs: int
    batch_size: int  # pictures a step, of all processes together
    crop: int  # px; side of the random training crop
    learning_rate: float  # peak rate of the classification layer
    warmup: float = 0.1  # share of the steps over which the learning rate grows
    ema_decay: float = 0.999  # of the averaged weights, where the growth of the decay ends
    patience: int | None = None  # epochs without a better validation AUROC before the training stops; None: never
    from_scratch: bool = False  # random initial weights: the whole network trains at the full rate, not only its head
    seed: int = 7
    exact: bool = False  # float32, even where the device has a faster precision

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(f"{self.epochs} epochs train nothing. Give at least 1.")

    @classmethod
    def of(cls, profile: Profile, seed: int, epochs: int | None = None, exact: bool = False) -> TrainingConfig:
        """The profile's numbers; `epochs` replaces the profile's number of epochs."""
        return cls(
            epochs=profile.epochs if epochs is None else epochs,
            batch_size=profile.batch_size,
            crop=profile.crop,
            learning_rate=profile.learning_rate,
            warmup=profile.warmup,
            ema_decay=profile.ema_decay,
            patience=profile.patience,
            seed=seed,
            exact=exact,
        )
