"""Pictures of units: of a channel, a neuron, a direction or a whole layer of a network, instead of a class."""
