"""From a run to a model that others can use: `card.export` writes a folder with weights, config.json and a card; `soup`
averages models or makes an ensemble of them.
"""
