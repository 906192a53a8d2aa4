"""The figures, one file each: `table` makes its tidy table, `draw` draws it. To change one, edit it.

`show` is how a notebook shows a figure and saves it under the name of its file; `style` is what all share: colours,
markers, legends; `results` are the graded traces of a study's arms, read once; `tables` what stands under `tables/`.
"""
