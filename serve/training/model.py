"""The network of `mini`, batched over images of one size.

The same mathematics as transformers' `Qwen3VLForConditionalGeneration`, under the same parameter
names, in a form that trains fast on a CPU: transformers loops over images and concatenates them;
here a batch holds images of one size, and an image enters as grey. `export.py` spreads the grey
patch embedding over colour channels and frames, and a test compares the two implementations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen_ocr_serve.launch import machine, precision

PATCH = 16
PRECISION = getattr(torch, precision.choice(machine.available_cores()).dtype)
WHITENING_FLOOR = 0.03  # added to the variances: finer detail than this is mostly noise
NEIGHBOURS = ((0, -1), (0, 1), (-1, 0), (1, 0), (0, -2), (0, 2))  # (down, right), in patches
NEIGHBOUR_BLOCKS = 2
NEIGHBOUR_BIAS = 6.0  # enough for the neighbour to win the softmax over some hundred patches


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; untied embeddings and a merge of 1×1 patches always."""

    vocab: int
    vision_hidden: int = 192
    vision_heads: int = 6
    vision_depth: int = 4
    vision_mlp: int = 576
    position_side: int = 32
    deepstack_after: int = 1
    hidden: int = 192
    heads: int = 3
    head_dim: int = 64
    depth: int = 4
    mlp: int = 576
    rope_theta: float = 10000.0
    mrope_section: tuple[int, int, int] = (12, 10, 10)


class Linear(nn.Linear):
    """`nn.Linear` that computes, and answers, in `PRECISION`; its weights stay float32.

    Autocast would do more in bfloat16, attention's gradient for one, which is slower there.
    """

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(PRECISION)
        return F.linear(x.to(PRECISION), self.weight.to(PRECISION), bias)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of (batch, heads, length, dim) by (length, dim) tables."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Mlp(nn.Module):
    """The vision block's feed-forward part."""

    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.linear_fc1 = Linear(hidden, inner)
        self.linear_fc2 = Linear(inner, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class VisionAttention(nn.Module):
    """Full attention among the patches of one image."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.vision_heads
        self.qkv = Linear(shape.vision_hidden, 3 * shape.vision_hidden)
        self.proj = Linear(shape.vision_hidden, shape.vision_hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape
        qkv = self.qkv(x).float().view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = _rotate(qkv[0], cos, sin), _rotate(qkv[1], cos, sin)
        mixed = F.scaled_dot_product_attention(query, key, qkv[2])
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, -1))


class VisionBlock(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.vision_hidden, eps=1e-6)
        self.norm2 = nn.LayerNorm(shape.vision_hidden, eps=1e-6)
        self.attn = VisionAttention(shape)
        self.mlp = Mlp(shape.vision_hidden, shape.vision_mlp)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    """From vision features to the language model's hidden size."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(shape.vision_hidden, eps=1e-6)
        self.linear_fc1 = Linear(shape.vision_hidden, shape.vision_hidden)
        self.linear_fc2 = Linear(shape.vision_hidden, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(F.gelu(self.linear_fc1(self.norm(x))))


class Vision(nn.Module):
    """Patches to features: (batch, rows × columns, hidden) twice, last and deepstack."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.patch_embed = Linear(PATCH * PATCH, shape.vision_hidden)
        self.pos_embed = nn.Embedding(shape.position_side**2, shape.vision_hidden)
        self.blocks = nn.ModuleList(VisionBlock(shape) for _ in range(shape.vision_depth))
        self.merger = Merger(shape)
        self.deepstack_merger_list = nn.ModuleList([Merger(shape)])

    @torch.no_grad()
    def look_at_neighbours(self) -> None:
        """Start the first blocks' heads looking at the patches beside, above and below.

        Constant query and key biases, the key's turned by the rotary angle of the neighbour's
        offset, make the score largest there. A character stands in two or three patches, and
        heads that must first find their neighbours cost the training many minutes.
        """
        dim = self.shape.vision_hidden // self.shape.vision_heads // 2
        frequency = 10000.0 ** (-torch.arange(0, dim, 2).float() / dim)
        for block in list(self.blocks)[:NEIGHBOUR_BLOCKS]:
            assert isinstance(block, VisionBlock)
            query, key, _ = block.attn.qkv.bias.view(3, self.shape.vision_heads, 2, -1)
            for head, (down, right) in enumerate(NEIGHBOURS[: self.shape.vision_heads]):
                angle = torch.cat((down * frequency, right * frequency))
                query[head, 0] = NEIGHBOUR_BIAS
                key[head, 0] = NEIGHBOUR_BIAS * angle.cos()
                key[head, 1] = -NEIGHBOUR_BIAS * angle.sin()

    @torch.no_grad()
    def whiten(self, batches: list[Tensor]) -> None:
        """Start the patch embedding as the principal components of the images' patches, whitened.

        Patches are nearly all paper, so their pixels are strongly correlated; with a random
        embedding the network first spends its time on undoing that.
        """
        patches = torch.cat([self._patches(images).flatten(0, 1) for images in batches])
        patches = patches[patches.std(dim=1) > 0.05]
        mean = patches.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov(patches.T))
        values, vectors = (
            values[-self.shape.vision_hidden :],
            vectors[:, -self.shape.vision_hidden :],
        )
        self.patch_embed.weight.copy_((vectors * (values + WHITENING_FLOOR).rsqrt()).T)
        self.patch_embed.bias.copy_(-self.patch_embed.weight @ mean)

    @staticmethod
    def _patches(images: Tensor) -> Tensor:
        """(batch, height, width) to (batch, rows × columns, PATCH²)."""
        batch, height, width = images.shape
        patches = images.view(batch, height // PATCH, PATCH, width // PATCH, PATCH)
        return patches.transpose(2, 3).reshape(batch, -1, PATCH * PATCH)

    def _positions(self, rows: int, columns: int) -> Tensor:
        side = self.shape.position_side
        grid = self.pos_embed.weight.view(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (rows, columns), mode="bilinear", align_corners=True)
        return grid.flatten(2).transpose(1, 2)

    def _rotary(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        dim = self.shape.vision_hidden // self.shape.vision_heads // 2
        frequency = 10000.0 ** (-torch.arange(0, dim, 2).float() / dim)
        row = torch.arange(rows).repeat_interleave(columns)[:, None] * frequency
        column = torch.arange(columns).repeat(rows)[:, None] * frequency
        angles = torch.cat((row, column, row, column), dim=-1)
        return angles.cos(), angles.sin()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`images`: (batch, height, width) in -1…1. Returns last and deepstack hidden states."""
        rows, columns = images.shape[1] // PATCH, images.shape[2] // PATCH
        x = self.patch_embed(self._patches(images)) + self._positions(rows, columns)
        cos, sin = self._rotary(rows, columns)
        middle = x
        for index, block in enumerate(self.blocks):
            x = block(x, cos, sin)
            if index == self.shape.deepstack_after:
                middle = x
        return x, middle


class TextAttention(nn.Module):
    """Causal attention with normalised queries and keys."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.head_dim = shape.heads, shape.head_dim
        inner = shape.heads * shape.head_dim
        self.q_proj = Linear(shape.hidden, inner, bias=False)
        self.k_proj = Linear(shape.hidden, inner, bias=False)
        self.v_proj = Linear(shape.hidden, inner, bias=False)
        self.o_proj = Linear(inner, shape.hidden, bias=False)
        self.q_norm = nn.RMSNorm(shape.head_dim, eps=1e-6)
        self.k_norm = nn.RMSNorm(shape.head_dim, eps=1e-6)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The output, and queries and keys (batch, heads, length, dim) for the guiding loss."""
        batch, length, _ = x.shape

        def split(projected: Tensor) -> Tensor:
            return projected.float().view(batch, length, self.heads, self.head_dim)

        query = self.q_norm(split(self.q_proj(x))).transpose(1, 2)
        key = self.k_norm(split(self.k_proj(x))).transpose(1, 2)
        query, key = _rotate(query, cos, sin), _rotate(key, cos, sin)
        value = split(self.v_proj(x)).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1)), query, key


class GatedMlp(nn.Module):
    """The language block's feed-forward part."""

    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = Linear(hidden, inner, bias=False)
        self.up_proj = Linear(hidden, inner, bias=False)
        self.down_proj = Linear(inner, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextLayer(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden, eps=1e-6)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, eps=1e-6)
        self.self_attn = TextAttention(shape)
        self.mlp = GatedMlp(shape.hidden, shape.mlp)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attended, query, key = self.self_attn(self.input_layernorm(x), cos, sin)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), query, key


class Language(nn.Module):
    """The decoder. What a token read and a token to write look like are two embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(TextLayer(shape) for _ in range(shape.depth))
        self.norm = nn.RMSNorm(shape.hidden, eps=1e-6)


@dataclass
class Output:
    """What the losses look at.

    hidden: (batch, length + 1, hidden) of the answer's positions. vision: (batch, rows × columns,
    vision hidden). placed, reading: after the first half of the language layers, the states of the
    visual tokens and of the answer's positions. attention: queries and keys of every layer.
    """

    hidden: Tensor
    vision: Tensor
    placed: Tensor
    reading: Tensor
    attention: list[tuple[Tensor, Tensor]]


class Mini(nn.Module):
    """Grey images and token ids to hidden states; `logits` turns those into scores."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.visual = Vision(shape)
        self.language_model = Language(shape)
        self.lm_head = nn.Linear(shape.hidden, shape.vocab, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        self.visual.look_at_neighbours()

    def _rotary(self, before: int, rows: int, columns: int, after: int) -> tuple[Tensor, Tensor]:
        """Tables for `before` text tokens, an image, `after` text tokens (interleaved mrope)."""
        shape = self.shape
        start = torch.arange(before).expand(3, -1)
        image = torch.stack(
            (
                torch.zeros(rows * columns, dtype=torch.long),
                torch.arange(rows).repeat_interleave(columns),
                torch.arange(columns).repeat(rows),
            )
        )
        end = torch.arange(after).expand(3, -1) + max(rows, columns)
        positions = torch.cat((start, image + before, end + before), dim=1).float()
        dim = shape.head_dim
        frequency = shape.rope_theta ** (-torch.arange(0, dim, 2).float() / dim)
        angles = positions[0, :, None] * frequency
        for axis in (1, 2):
            chosen = torch.arange(axis, shape.mrope_section[axis] * 3, 3)
            angles[:, chosen] = positions[axis, :, None] * frequency[chosen]
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def forward(self, images: Tensor, prefix: Tensor, answer: Tensor) -> Output:
        """Run image, prompt and answer.

        Args:
            images: (batch, height, width), -1…1, sides multiples of `PATCH`.
            prefix: the prompt's token ids with -1 where the image stands, one prompt for all.
            answer: (batch, length) token ids that follow the prompt, without the last.

        Returns:
            `hidden` has length + 1 positions: the prompt's last, then each of the answer.
        """
        last, middle = self.visual(images)
        rows, columns = images.shape[1] // PATCH, images.shape[2] // PATCH
        language = self.language_model
        batch, visual = last.shape[0], last.shape[1]
        before = int((prefix == -1).nonzero()[0, 0])
        head = language.embed_tokens(prefix[:before]).expand(batch, -1, -1)
        tail = language.embed_tokens(prefix[before + 1 :]).expand(batch, -1, -1)
        x = torch.cat((head, self.visual.merger(last), tail, language.embed_tokens(answer)), dim=1)
        deepstack = F.pad(
            self.visual.deepstack_merger_list[0](middle),
            (0, 0, before, x.shape[1] - before - visual),
        )
        cos, sin = self._rotary(before, rows, columns, x.shape[1] - before - visual)
        attention, halfway = [], x
        for index, layer in enumerate(language.layers):
            x, query, key = layer(x, cos, sin)
            attention.append((query, key))
            if index == 0:
                x = x + deepstack
            if index == self.shape.depth // 2 - 1:
                halfway = x
        positions = answer.shape[1] + 1
        return Output(
            hidden=language.norm(x[:, -positions:]),
            vision=last,
            placed=halfway[:, before : before + visual],
            reading=halfway[:, -positions:],
            attention=attention,
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary."""
        scores: Tensor = self.lm_head(hidden)
        return scores
