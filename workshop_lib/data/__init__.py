"""From images on disk or generated, to tensors, to a split, to endless batches.

`scenes`, `split`, `open` and `batches` are what everything else knows of. Behind them:
`images` reads files of any layout, `fetch` gets public data sets, `split_rules` and
`split_spatial` draw splits, `audit` finds what is wrong with one, `mini_eo` makes
scenes.
"""

__all__: list[str] = []
