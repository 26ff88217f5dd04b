"""Out of memory in the middle of a step: put everything back, and take it thriftily."""

__all__ = ["Thrift"]

import gc
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from workshop_lib.models.heads import Classifier
from workshop_lib.models.recompute import Blocks
from workshop_lib.models.segmenter import Segmenter
from workshop_lib.ranks import world_size
from workshop_lib.recipe import Recipe
from workshop_lib.session import is_out_of_memory, spare_allocator

T = TypeVar("T")

_FEWEST = 2  # images whose spread a batch normalisation can tell


class Thrift:
    """How sparing with memory the networks of a training are, and when that changed.

    A training starts as its recipe says. Should memory run out, it becomes thriftier:

    1. activation checkpointing, which changes no number at all;
    2. micro-batches of half of the batch, of a quarter, ... down to 2 images. The loss
       is still that of the whole batch; batch normalisation takes its statistics from a
       micro-batch.

    The step is then taken again, with the same images and the same random numbers. So
    that it can be, everything that a step moves before the optimiser does (running
    statistics, the method's memories, random numbers) is copied before each step: a few
    hundred kilobytes.

    Several processes do not retry: the others would wait in the middle of theirs. On a
    CPU it also takes a limit to run into (a container's, `ulimit -v`); without, the
    system ends a program that is too large without a word.

    Args:
        recipe: what to start with.
        networks: modules that are or hold a `Classifier` or a `Segmenter`: model,
            average, method.
        buffers: gives all that a step changes in place before the optimiser moves.
        generator: of the augmentation.

    `events` has one entry per change: step, checkpointing, micro_batch from there on.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: list[nn.Module],
        buffers: list[Tensor],
        generator: torch.Generator,
    ) -> None:
        self.checkpointing, self.micro_batch = recipe.checkpointing, recipe.micro_batch
        self.events: list[dict[str, Any]] = []
        self.classifiers = [
            m
            for net in networks
            for m in net.modules()
            if isinstance(m, (Classifier, Segmenter))
        ]
        self.generator = generator
        self.buffers = buffers
        self.before = [torch.empty_like(buffer) for buffer in buffers]
        self._untold: list[str] = []
        self._apply()

    def run(self, attempt: Callable[[], T], step: int) -> T:
        """Return what `attempt` returns; out of memory, try again thriftier.

        Args:
            attempt: takes a step as far as the gradient.
            step: which one, counted from 1, for the record.

        Raises:
            RuntimeError: memory does not suffice for the thriftiest way either.
        """
        states = self._remember()
        while True:
            try:
                return attempt()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._next(step):
                    raise
            # Not in the except clause: the error holds the frames, and those the step.
            self._put_back(states)

    def news(self) -> list[str]:
        """Return in words what has changed since the last call."""
        told, self._untold = self._untold, []
        return told

    def facts(self) -> dict[str, Any]:
        """Return what `load` takes and a run's record keeps."""
        return {
            "checkpointing": self.checkpointing,
            "micro_batch": self.micro_batch,
            "out_of_memory": list(self.events),
        }

    def load(self, facts: dict[str, Any]) -> None:
        """Go on in the way that a training had come to."""
        self.checkpointing = bool(facts["checkpointing"])
        self.micro_batch = int(facts["micro_batch"])
        self.events = list(facts["out_of_memory"])
        self._apply()

    def _apply(self) -> None:
        for classifier in self.classifiers:
            classifier.save_memory(
                checkpointing=self.checkpointing, micro_batch=self.micro_batch
            )

    def _next(self, step: int) -> bool:
        """Go one rung down, if there is one."""
        if world_size() > 1:
            return False
        n = max(c.most_images for c in self.classifiers)  # went through with gradient
        now = min(self.micro_batch or n, n)
        has_blocks = any(isinstance(m, Blocks) for m in self.classifiers[0].modules())
        if has_blocks and not self.checkpointing:
            self.checkpointing = True
            how = "with activation checkpointing; every number stays as it was"
        elif now // 2 >= _FEWEST:
            self.micro_batch = now // 2
            how = (
                f"in micro-batches of {self.micro_batch} of its {n} images; the loss is"
                " that of the whole batch, batch normalisation takes its statistics"
                " from a micro-batch"
            )
        else:
            return False
        self._apply()
        changed = {"checkpointing": self.checkpointing, "micro_batch": self.micro_batch}
        self.events.append({"step": step, **changed})
        self._untold.append(f"out of memory in step {step}: taken again, {how}.")
        return True

    def _remember(self) -> list[Tensor]:
        """Copy what a step changes; return the states of the random numbers."""
        if self.buffers:
            torch._foreach_copy_(self.before, self.buffers)
        states = [self.generator.get_state(), torch.get_rng_state()]
        if self.generator.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.generator.device))
        return states

    def _put_back(self, states: list[Tensor]) -> None:
        gc.collect()  # a graph that broke off may be held by a cycle
        if self.generator.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.set_rng_state(states[2], self.generator.device)
        else:
            spare_allocator()
        self.generator.set_state(states[0])
        torch.set_rng_state(states[1])
        with torch.no_grad():
            for buffer, before in zip(self.buffers, self.before, strict=True):
                buffer.copy_(before)
