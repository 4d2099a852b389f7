"""How a command ends other than with OK."""


class Syntax(Exception):
    """BAD, with the text."""


class No(Exception):
    """The command ends with this tagged answer ("NO [X] text" or "BAD text")."""


class End(Exception):
    """The connection is over, as a rule said."""
