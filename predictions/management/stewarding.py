"""What the commands of a model steward share: which model is meant, and who decides."""

from django.core.management.base import CommandParser

from hedis.accounts.models import User
from hedis.lib.commands import Refused, WrongUse
from predictions.models import ModelVersion

MAY_STEP = "predictions.add_modeltransition"
MODEL_WORDS = "id, name@version, or the code of a measure that has one model"


def add_arguments(parser: CommandParser) -> None:
    """MODEL, --why and --by."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_WORDS)
    parser.add_argument("--why", required=True, help="the reason, in words")
    parser.add_argument("--by", required=True, metavar="USER", help="who decides")


def model_called(name: str) -> ModelVersion:
    """The one model a name means. Raises WrongUse where it means none or several, and names those."""
    found = list(ModelVersion.objects.called(name).select_related("measure").order_by("pk"))
    if not found:
        raise WrongUse(f"MODEL: there is no model {name!r}; name it by {MODEL_WORDS}.")
    if len(found) > 1:
        several = ", ".join(f"{model.name}@{model.version} (id {model.pk}, {model.state})" for model in found)
        raise WrongUse(f"MODEL: {name} has several: {several}.")
    return found[0]


def steward_called(name: str) -> User:
    """Who decides. Raises WrongUse for no such user, Refused for one whose role does not include it."""
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise WrongUse(f"--by: there is no user {name!r}.")
    if not user.has_perm(MAY_STEP):
        raise Refused(f"{name} may not decide over models: that is for model stewards.", reason="permission_denied")
    return user
