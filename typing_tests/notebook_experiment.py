"""An experiment in a notebook, as its author writes it: without a cast. Checked, never run."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from zep_memory_plugin import Message, Session, SessionManager, Summary

manager = SessionManager(Path("experiment.db"), token_counter=len)
stored = manager.add_memory("baseline", [Message(role="user", content="Two cities, please.")])
question = stored[-1]
fork: Session = manager.fork_session("baseline", "variant", until_uuid=question.uuid)
manager.update_session(Session(session_id=fork.session_id, metadata={"prompt": 2}))

tokens = sum(message.token_count for message in manager.list_messages("variant"))
gaps: list[timedelta] = [
    later.created_at - earlier.created_at for earlier, later in pairwise(stored) if later.seq == earlier.seq + 1
]
roles = Counter(message.role_type for message in stored)
oldest_first = sorted(manager.list_sessions(), key=lambda session: session.created_at)
newest = max(oldest_first, key=lambda session: (session.last_active_at, session.id))

summary = manager.add_summary("variant", Summary(content="about cities"), until_uuid=question.uuid)
covered = summary.seq >= question.seq
shown = [message.content for message in manager.get_memory("variant", max_tokens=1000).messages]
restored = Message(**question.to_dict())
same: bool = restored == question
