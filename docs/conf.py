"""Configuration of Sphinx. ``make docs`` builds the documentation."""

from sklearn_seqae import __version__

project = "sklearn-seqae"
author = "The sklearn-seqae developers"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.py", "gallery/*.md5"]
html_theme = "alabaster"
# The widest table has eight columns.
html_theme_options = {"page_width": "1280px", "body_max_width": "none"}
myst_heading_anchors = 3

autosummary_generate = True
numpydoc_show_class_members = False
# scikit-learn documents the members that every estimator inherits from it.
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator,_MetadataRequester,_SetOutputMixin",
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
}
