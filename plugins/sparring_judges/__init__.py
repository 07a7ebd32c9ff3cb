"""Bundled judges."""

from sparring import Judge, Register, hookimpl


@hookimpl
def sparring_register_judges(register: Register[Judge]) -> None:
    from sparring_judges.answers import ExactMatch, ExactMatchParams, MajorityVote, MajorityVoteParams
    from sparring_judges.classifier import Classifier, ClassifierParams
    from sparring_judges.conduct import Conduct, ConductParams
    from sparring_judges.difficulty import Difficulty, DifficultyParams
    from sparring_judges.embedding import Embedding, EmbeddingParams
    from sparring_judges.llm_judge import LlmJudge, LlmJudgeParams
    from sparring_judges.outcome import OutcomeJudge, OutcomeParams
    from sparring_judges.repetition import Repetition, RepetitionParams
    from sparring_judges.rule import Rule, RuleParams

    register("outcome", OutcomeJudge, OutcomeParams, paper="arXiv:2506.24119")
    register("conduct", Conduct, ConductParams)
    register("rule", Rule, RuleParams, paper="arXiv:2506.07468")
    register("classifier", Classifier, ClassifierParams)
    register("llm_judge", LlmJudge, LlmJudgeParams, paper="arXiv:2406.18495")
    register("embedding", Embedding, EmbeddingParams, paper="arXiv:2506.07468")
    register("exact_match", ExactMatch, ExactMatchParams)
    register("majority_vote", MajorityVote, MajorityVoteParams, paper="arXiv:2504.16084")
    register("difficulty", Difficulty, DifficultyParams, paper="arXiv:2505.03335")
    register("repetition", Repetition, RepetitionParams, paper="arXiv:2508.05004")
