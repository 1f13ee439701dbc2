"""The storage of a study: a log in the folder of the search, or what machines share."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ...cache.places import cannot_write
from ...core.errors import AvreplayError, DataError, UsageError
from ...core.params.options import OptionSet
from .former_names import present_identity
from .identity import difference
from .journal import STATE
from .log_lines import ANEW
from .samplers import optuna_module
from .shared_log import SharedLogLock, check_log
from .study_log import STUDY_LOG, StudyLog

IDENTITY = "avreplay_identity"
JOURNAL = "journal:"
"""Begins the name of a log that machines share."""


def without_password(url: str) -> str:
    """A storage URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def open_study(
    folder: Path,
    storage: str | None,
    name: str,
    sampler: Any,
    identity: dict[str, Any],
    fresh: bool,
    of: type[OptionSet],
) -> tuple[Any, StudyLog]:
    """The study, begun or gone on with, and its log."""
    log = _open_folder(folder, storage, name, fresh)
    if storage is not None:
        return _study_of(storage, log, name, sampler, identity, fresh, of), log
    try:
        study = _study_of(None, log, name, sampler, identity, fresh, of)
        log.save()
    except OSError as error:
        raise cannot_write(log.path, error) from error
    return study, log


def _study_of(
    storage: str | None, log: StudyLog, name: str, sampler: Any, identity: dict[str, Any], fresh: bool,
    of: type[OptionSet],
) -> Any:  # fmt: skip
    """The study of a name in a storage, or in a log, which says what it searches."""
    optuna = optuna_module()
    what = f"cannot open the study {name!r} in {log.path if storage is None else without_password(storage)}"
    for wait in (0.3, 0.6, 1.2, None):
        try:
            backend = _backend(storage, log, what)
            if fresh and storage is not None and name in optuna.get_all_study_names(backend):
                optuna.delete_study(study_name=name, storage=backend)
            study = optuna.create_study(
                storage=backend, study_name=name, sampler=sampler, direction="maximize", load_if_exists=True
            )
            break
        except AvreplayError:
            raise
        # a storage may fail in any way its driver knows
        except Exception as error:
            # of machines that begin at once, one makes the tables of a database, and the others fail to
            if wait is not None and "DatabaseError" in [c.__name__ for c in type(error).__mro__]:
                time.sleep(wait)
                continue
            if storage is None and isinstance(error, OSError):
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            mend = f"; {ANEW}" if storage is None else ""
            raise DataError(f"{what}: {reason}{mend}") from error
    found = study.user_attrs.get(IDENTITY)
    if found is None:
        study.set_user_attr(IDENTITY, identity)
    elif not isinstance(found, dict):
        raise DataError(f"the study {name!r} does not say what it searched; choose another --study, or --overwrite")
    elif other := difference(present_identity(of, found), identity):
        raise UsageError(
            f"the study {name!r} is a search with {other}; choose another --study or --out, or --overwrite"
        )
    return study


def _backend(storage: str | None, log: StudyLog, what: str) -> Any:
    """What Optuna keeps a study in. A log file is many times faster than SQLite, which waits for the disk at every
    trial, and works on network filesystems, where SQLite does not."""
    optuna = optuna_module()
    journal = optuna.storages.journal.JournalFileBackend
    if storage is None:
        return optuna.storages.JournalStorage(journal(str(log.path), log.lock))
    if not storage.startswith(JOURNAL):
        return storage
    if storage == JOURNAL:
        raise UsageError("the storage journal: has no path; name the log, say --storage journal:/shared/study.log")
    path = Path(storage.removeprefix(JOURNAL)).absolute()
    if path.exists():
        check_log(path, what)
    return optuna.storages.JournalStorage(journal(str(path), SharedLogLock(path)))


def _open_folder(folder: Path, storage: str | None, name: str, fresh: bool) -> StudyLog:
    """The log of a study in its folder; of a study in a storage elsewhere it stays as it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            (folder / STATE).unlink(missing_ok=True)
        elif (folder / STATE).exists():
            raise UsageError(f"{folder} holds a search of another kind; choose another --out, or --overwrite")
        return StudyLog(folder, f"cannot open the study {name!r} in {folder / STUDY_LOG}", fresh, storage is None)
    except OSError as error:
        raise cannot_write(folder, error) from error
