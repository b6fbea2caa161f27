"""The classifier: one network on many resolutions, read out at many depths and answered by CrossMax.

An image on its way through the network (`Ensemble everything everywhere`, arXiv 2408.05446)::

    images [B, 3, H, W]  ->  stack  ->  backbone  ->  read-outs [B, N, C]  ->  CrossMax  ->  logits [B, C]
                            3R channels            one for each depth

The rooms, each above those that it uses:

1. `weights` as files; `data`: labelled images, and which class is which.
2. `networks`: the stack, the backbones, the read-outs, CrossMax, and copies for passes without end.
3. `training`: runs that go on after a kill, with presets, the paper's among them.
4. `attacks` breaks models.
5. `zoo`: models by name, exported, packaged, published or a user's own.
6. `evaluation` counts what stands, `reports` says it to people, and `analyses` are the measurements of the paper.
7. `cards`: from a run to a model that others can use.
8. `cli`: the commands, run by `__main__`. `jobs` makes training and evaluation jobs of the app's queue or of a
   command line, `commands` is what command lines share, and `cost_model` reckons what an evaluation and a training take
   on other machines.

It stands on `foundation` and `generator`, and imports nothing else of ours.

To add an aggregator, a backbone, an attack, a suite of attacks, a kind of model or a preset, see the table in
CONTRIBUTING.md.
"""
