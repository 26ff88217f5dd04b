"""From images on disk or generated, to tensors, to a split, to what a training reads.

`scenes`, `split`, `load` and `dataset` are what everything else uses. Behind them:
`read` reads files of any layout, `download` and `catalog` fetch public data sets,
`split_rules` and `split_spatial` draw splits, `audit` finds what is wrong with one,
`tiles` cuts large images into patches, `mini_eo` generates scenes.
"""

__all__: list[str] = []
