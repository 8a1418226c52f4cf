"""The switch before attacks that recover data or steer a model: research on models of one's own."""

from sterling.errors import InputError


def require_research_use(research_use: bool) -> None:
    """Let an offensive attack run only when the user said what it is for.

    Raises:
        InputError: When ``research_use`` is false.
    """
    if not research_use:
        raise InputError(
            "research_use false: this attack reconstructs data or steers a model; set it to true "
            "for research on models that you trained yourself"
        )
