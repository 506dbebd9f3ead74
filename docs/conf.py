"""Configuration of Sphinx. ``make docs`` builds the documentation."""

from sklearn_seqae import __version__

project = "sklearn-seqae"
author = "The sklearn-seqae developers"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "_templates",
    "gallery/*.py",
    "gallery/*.md5",
    "inventories",
]

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-seqae"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sklearn-seqae"},
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_sidebars = {"install": [], "gallery/*": []}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

autosummary_generate = True
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
autodoc_typehints = "none"  # the docstrings describe the types
# scikit-learn documents the members that every estimator inherits from it.
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator,_MetadataRequester,_SetOutputMixin",
}

# The inventories are in the repository, so a build needs no network.
# docs/inventories/write.py writes them.
intersphinx_mapping = {
    name: (address, f"inventories/{name}.inv")
    for name, address in {
        "numpy": "https://numpy.org/doc/stable",
        "pandas": "https://pandas.pydata.org/docs",
        "python": "https://docs.python.org/3",
        "skorch": "https://skorch.readthedocs.io/en/stable",
        "sklearn": "https://scikit-learn.org/stable",
    }.items()
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("sklearn_seqae",),
    "remove_config_comments": True,
    "show_memory": False,
}
