"""Pictures of units: of a channel, a neuron, a direction or a whole layer of a network, instead of a class.

- `unit` reads and writes what a unit is called (`blocks.3:12@centre`).
- `layers` finds the layers of a network by watching two passes, and says what their axes are.
- `objective` raises a unit's activation; `generator.synthesis.objective` takes it where a recipe has a `unit`.

`generator.production.unit_answers` says how strongly a picture excites a unit, beside noise, and
`generator.production.unit_grid` draws many channels on one sheet. See docs/units.md for what it is good for.
"""
