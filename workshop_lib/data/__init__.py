"""From images on disk or generated, to tensors, to a split, to what a training reads.

`load`, `dataset`, `split` and `samples` are what everything else uses. Behind them:
`read` reads files of any layout, `catalog` and `download` fetch public data sets,
`split_rules` draws splits, `audit` finds what is wrong with one, `tiles` cuts large
images into patches, `mini_eo` generates scenes.
"""

__all__: list[str] = []
