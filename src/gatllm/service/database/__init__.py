"""What the service keeps, and where."""

from gatllm.service.database.store import (
    Database,
    DatabaseError,
    check_database,
    is_current,
    open_database,
    temporary_database,
)
from gatllm.service.database.tables import (
    Account,
    AnswerSource,
    ApiKey,
    Base,
    Conversation,
    DataRequest,
    Feedback,
    Job,
    JobStep,
    LoginSession,
    Rate,
    Turn,
    Usage,
    new_id,
)

__all__ = [
    "Account",
    "AnswerSource",
    "ApiKey",
    "Base",
    "Conversation",
    "DataRequest",
    "Database",
    "DatabaseError",
    "Feedback",
    "Job",
    "JobStep",
    "LoginSession",
    "Rate",
    "Turn",
    "Usage",
    "check_database",
    "is_current",
    "new_id",
    "open_database",
    "temporary_database",
]
