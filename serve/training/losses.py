"""What the network is taught: the losses, and the heads that some of them need."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.batches import FIRST_CHINESE, IGNORED, Batch
from training.charset import CHINESE
from training.model import Linear, Mini, Shape
from training.samples import SUBCOLUMNS

# Layer, head, and what it looks at: the last character of the token just read, the first or the
# last one of the next token.
GUIDES = ((1, 1, "read"), (2, 0, "read"), (2, 1, "first"), (3, 0, "first"), (3, 1, "last"))
GUIDE_WEIGHT, CHARACTER_WEIGHT, CHINESE_WEIGHT, LINE_WEIGHT = 0.3, 0.3, 0.3, 0.1
MOST_LINES = 64  # told apart; those further down count as the last


class Trainee(nn.Module):
    """The network and the heads that teach it, which are not exported.

    `characters` tells what a visual token shows, all Chinese characters being one class, and
    `chinese` which one of them its middle shows; `lines` tells, halfway through the language
    layers, in which line of text a visual token stands, and the next character to be written.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.mini = Mini(shape)
        self.characters = Linear(shape.vision_hidden, SUBCOLUMNS * (FIRST_CHINESE + 1))
        self.chinese = Linear(shape.vision_hidden, len(CHINESE))
        self.lines = Linear(shape.hidden, MOST_LINES)

    def character_loss(self, vision: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the character under each quarter of each visual token."""
        scores = self.characters(vision).float().unflatten(-1, (SUBCOLUMNS, -1))
        classes = batch.characters.clamp(max=FIRST_CHINESE)
        return F.cross_entropy(scores.flatten(0, 2), classes.flatten())

    def chinese_loss(self, vision: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the Chinese character in the middle of each visual token with one."""
        middle = batch.characters[..., SUBCOLUMNS // 2]
        shown = middle >= FIRST_CHINESE
        scores = self.chinese(vision[shown]).float()
        loss = F.cross_entropy(scores, middle[shown] - FIRST_CHINESE, reduction="sum")
        # Where there is none it is 0, with a gradient, as the other process may have one.
        return loss / max(1, len(scores))

    def line_loss(self, placed: Tensor, reading: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the number of the line, of visual tokens and of the answer's positions.

        One head for both: their states become alike where they belong together, which is what
        attention needs to tell apart two lines with the same words.
        """
        if (batch.first == IGNORED).all():  # blank images: no line to stand in
            scores: Tensor = self.lines(reading)
            return 0 * scores.sum()  # but a gradient, as the other process has one
        return sum(
            (
                F.cross_entropy(
                    self.lines(states).float().flatten(0, 1),
                    numbers.clamp(max=MOST_LINES - 1).flatten(),
                    ignore_index=IGNORED,
                )
                for states, numbers in ((placed, batch.shown_line), (reading, batch.read_line))
            ),
            torch.zeros(()),
        )

    def guide_loss(self, attention: list[tuple[Tensor, Tensor]], batch: Batch) -> Tensor:
        """Cross-entropy of chosen heads' attention against the reading path."""
        if (batch.first == IGNORED).all():  # blank images: nowhere to look
            return torch.zeros(())
        positions = batch.labels.shape[1]
        before = int((batch.prefix == -1).nonzero()[0, 0])
        total = torch.zeros(())
        read = F.pad(batch.last, (1, 0), value=IGNORED)[:, :positions]
        targets = {"read": read, "first": batch.first, "last": batch.last}
        for layer, head, place in GUIDES:
            query, key = (states[:, head] for states in attention[layer])
            scores = query[:, -positions:] @ key.transpose(1, 2) * query.shape[-1] ** -0.5
            future = torch.ones(positions, key.shape[1], dtype=torch.bool)
            scores = scores.masked_fill(future.triu(key.shape[1] - positions + 1), -torch.inf)
            target = targets[place]
            target = torch.where(target == IGNORED, IGNORED, target + before)
            total = total + F.cross_entropy(scores.flatten(0, 1), target.flatten())
        return total / len(GUIDES)

    def losses(
        self, batch: Batch, *, vision_only: bool, heads_alone: bool = False
    ) -> dict[str, Tensor]:
        """The losses by name; those of the characters alone while only vision is trained.

        With `heads_alone` the losses of the heads do not reach the network.
        """
        if vision_only:
            last, _ = self.mini.visual(batch.images)
            return {
                "characters": self.character_loss(last, batch),
                "chinese": self.chinese_loss(last, batch),
            }
        output = self.mini(batch.images, batch.prefix, batch.answer)
        heads = (output.vision, output.placed, output.reading)
        vision, placed, reading = (s.detach() for s in heads) if heads_alone else heads
        labels = batch.labels.flatten()
        chosen = labels != IGNORED
        scores = self.mini.logits(output.hidden.flatten(0, 1)[chosen])
        return {
            "text": F.cross_entropy(scores, labels[chosen]),
            "guide": self.guide_loss(output.attention, batch),
            "characters": self.character_loss(vision, batch),
            "chinese": self.chinese_loss(vision, batch),
            "lines": self.line_loss(placed, reading, batch),
            "wrong": (scores.argmax(-1) != labels[chosen]).float().mean().detach(),
        }
