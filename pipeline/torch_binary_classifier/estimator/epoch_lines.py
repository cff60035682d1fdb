"""A line per tenth of a run: how far it is and where its losses are."""

from __future__ import annotations

import time

from torch_binary_classifier.interface.watching import EpochEnd

N_LINES = 10


class EpochLines:
    """Prints the losses of every tenth of the epochs, and of the last one."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.last: EpochEnd | None = None
        self.n_shown = 0

    def begin(self) -> None:
        """Take note that an epoch begins."""

    def end(self, epoch: EpochEnd) -> bool:
        """Print a line where a tenth of the run is done; never end the training."""
        self.last = epoch
        if epoch.number * N_LINES // epoch.n_epochs > (
            (epoch.number - 1) * N_LINES // epoch.n_epochs
        ):
            self.show(epoch)
        return False

    def is_out_of_time(self) -> bool:
        """Return that the training may go on."""
        return False

    def finish(self) -> None:
        """Print the line of the last epoch, unless it has been."""
        if self.last is not None and self.n_shown != self.last.number:
            print(line_of(self.last, "ended"))  # noqa: T201

    def show(self, epoch: EpochEnd) -> None:
        """Print the line of an epoch."""
        self.n_shown = epoch.number
        seconds = time.monotonic() - self.start
        left = seconds * (epoch.n_epochs / epoch.number - 1)
        print(line_of(epoch, f"at most {left:.0f} s left"))  # noqa: T201


def line_of(epoch: EpochEnd, rest: str) -> str:
    """Return the line of an epoch, which ends with how much is left."""
    words = [f"epoch {epoch.number} of {epoch.n_epochs}", f"loss {epoch.loss:.4f}"]
    if epoch.validation_loss is not None:
        words.append(f"validation loss {epoch.validation_loss:.4f}")
    if epoch.learning_rate is not None:
        words.append(f"learning rate {epoch.learning_rate:.3g}")
    return ", ".join([*words, rest])
