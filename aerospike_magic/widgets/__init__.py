"""Widgets on anywidget: one Python file of traits and one ES module a widget; imported only when shown."""
