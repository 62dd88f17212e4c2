"""What a fuzz target is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OneInput = Callable[[bytes], None]
CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of bytes that a stranger sends, and what has to hold for all of them.

    Attributes:
        one_input: raises AssertionError where it does not hold, and whatever else came out that must not.
        tokens: pieces that mean something to the reader.
    """

    name: str
    one_input: OneInput
    tokens: tuple[bytes, ...]

    @property
    def files(self) -> list[Path]:
        """Its corpus."""
        return sorted((CORPUS / self.name).iterdir())

    @property
    def corpus(self) -> list[bytes]:
        """What is in the files."""
        return [file.read_bytes() for file in self.files]

    def corpus_without(self, fault: OneInput) -> list[bytes]:
        """The corpus without the files that show `fault` as they are."""
        return [data for data in self.corpus if not shows(fault, data)]


def shows(fault: OneInput, data: bytes) -> bool:
    """Whether `fault` is seen on `data`."""
    try:
        fault(data)
    except AssertionError:
        return True
    return False
