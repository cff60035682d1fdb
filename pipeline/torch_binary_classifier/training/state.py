"""The networks of several members in one buffer; knows nothing of their training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.members import Member, MemberState
from torch_binary_classifier.training.normalisation import InputStatistics


@dataclass(frozen=True)
class BlockState:
    """The parameters and running statistics of a block's members.

    Parameters
    ----------
    layout : ParameterLayout
        Where a member's parameters lie.
    parameters : Tensor of shape (n_members * member_size,)
    statistics : InputStatistics
        Of the batch normalisation; not used where there is none.
    """

    layout: ParameterLayout
    parameters: Tensor
    statistics: InputStatistics

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        states: Sequence[MemberState],
        where: torch.device,
    ) -> BlockState:
        """Return members side by side, on a device."""
        layout = ParameterLayout(architecture, len(states))
        block = cls(
            layout,
            layout.new_buffer(where),
            InputStatistics.initial(architecture, len(states), where),
        )
        for place, state in enumerate(states):
            vector = layout.member_vector_of(state.coefs, state.intercepts)
            layout.write_member(block.parameters, place, vector)
            if state.input_mean is not None and state.input_variance is not None:
                block.statistics.mean[place, 0] = state.input_mean
                block.statistics.variance[place, 0] = state.input_variance
        return block

    def member(self, place: int) -> MemberState:
        """Return a copy of one member's network, on the CPU."""
        vector = self.layout.member_vector(self.parameters, place).cpu()
        coefs, intercepts = self.layout.unpacked(vector)
        if self.layout.architecture.input_norm is None:
            return MemberState(coefs, intercepts)
        return MemberState(
            coefs,
            intercepts,
            self.statistics.mean[place, 0].cpu().clone(),
            self.statistics.variance[place, 0].cpu().clone(),
        )

    def copy(self) -> BlockState:
        """Return a copy of all members."""
        return self.compact(range(self.layout.n_members))

    def compact(self, staying: Sequence[int]) -> BlockState:
        """Return a copy of the members at some places."""
        places = list(staying)
        return BlockState(
            ParameterLayout(self.layout.architecture, len(places)),
            self.layout.compacted(self.parameters, places),
            InputStatistics(
                self.statistics.mean[places], self.statistics.variance[places]
            ),
        )

    def keep(self, place: int, other: BlockState) -> None:
        """Overwrite a member by the one at its place among others."""
        slots = self.layout.slots(other.parameters)
        for kept, slot in zip(self.layout.slots(self.parameters), slots, strict=True):
            kept[place].copy_(slot[place])
        self.statistics.mean[place] = other.statistics.mean[place]
        self.statistics.variance[place] = other.statistics.variance[place]


def starting_state(architecture: Architecture, member: Member) -> MemberState:
    """Return the state that a member's training starts from."""
    if member.state is not None:
        return member.state
    generator = torch.Generator()
    generator.manual_seed(member.hyperparameters.seed)
    bias = member.hyperparameters.output_bias
    return MemberState(*initial_parameters(architecture, generator, bias))
