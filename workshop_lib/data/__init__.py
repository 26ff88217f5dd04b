"""From images on disk or generated, to tensors, to a split, to endless batches.

`scenes`, `splits`, `open` and `batches` are what everything else knows of. Behind them:
`images` reads files of any layout, `fetch` gets public data sets, `splitting` draws and
stores splits, `auditing` finds what is wrong with one, `mini_eo` makes scenes.
"""

__all__: list[str] = []
