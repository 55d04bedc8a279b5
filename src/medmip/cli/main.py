"""`mip`: the commands, and the one place where errors become messages and exit codes."""

import sys
from collections.abc import Sequence

import typer

from medmip.cli import (
    data_stewardship,
    deploy_bundle,
    deploy_removal,
    deploy_secrets,
    deploy_server,
    deploy_upkeep,
    deploy_validate,
    deploy_version,
)
from medmip.cli.algorithm import algorithm_app
from medmip.cli.audit import audit_app
from medmip.cli.data import data_app
from medmip.cli.data_inbox import inbox
from medmip.cli.data_quality import quality
from medmip.cli.demo import demo
from medmip.cli.deploy import deploy_app
from medmip.cli.doctor import doctor
from medmip.cli.experiment import experiment_app
from medmip.cli.experiment_difference import rerun, show_difference
from medmip.cli.experiment_people import comment, comments, share, uncomment
from medmip.cli.federation_log import hub_runs, site_log
from medmip.cli.harmonise import harmonise_app
from medmip.cli.hub import hub_app
from medmip.cli.imaging import imaging_app
from medmip.cli.ldsm import ldsm_app
from medmip.cli.model import model_app
from medmip.cli.model_apply import model_apply
from medmip.cli.model_export import model_export
from medmip.cli.model_migrate import migrate
from medmip.cli.notices import notices_app
from medmip.cli.policy import policy_app
from medmip.cli.run import run
from medmip.cli.serve import serve
from medmip.cli.site import site_app
from medmip.cli.site_run import agree, decline, requests, run_site
from medmip.cli.source import source_app
from medmip.cli.user import user_app
from medmip.errors import MipError

app = typer.Typer(
    name="mip",
    help="Medical Informatics Platform: analyse clinical data inside the hospital that holds it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo)
app.command()(serve)
app.command()(doctor)
model_app.command()(migrate)
app.add_typer(model_app, name="model")
data_app.command()(quality)
data_app.command()(inbox)
data_app.command()(data_stewardship.card)
data_app.command()(data_stewardship.policy)
data_app.command()(data_stewardship.catalogue)
data_app.command()(data_stewardship.diff)
data_app.command()(data_stewardship.retain)
data_app.command()(data_stewardship.reidentify)
app.add_typer(data_app, name="data")
app.add_typer(harmonise_app, name="harmonise")
app.add_typer(source_app, name="source")
app.add_typer(ldsm_app, name="ldsm")
app.add_typer(imaging_app, name="imaging")
app.add_typer(algorithm_app, name="algorithm")
app.command()(run)
app.command("model-apply")(model_apply)
app.command("model-export")(model_export)
experiment_app.command("difference")(show_difference)
for talked in (rerun, share, comment, comments, uncomment):
    experiment_app.command()(talked)
app.add_typer(experiment_app, name="experiment")
app.add_typer(user_app, name="user")
app.add_typer(audit_app, name="audit")
app.add_typer(policy_app, name="policy")
app.add_typer(hub_app, name="hub")
app.add_typer(notices_app, name="notices")
site_app.command("run")(run_site)
site_app.command("log")(site_log)
hub_app.command("runs")(hub_runs)
for command in (requests, agree, decline):
    site_app.command()(command)
app.add_typer(site_app, name="site")
deploy_app.command()(deploy_server.configure)
deploy_app.command()(deploy_server.setup)
deploy_app.command()(deploy_validate.validate)
deploy_app.command()(deploy_validate.verify_report)
for kept_up in (deploy_version.upgrade, deploy_version.rollback, deploy_removal.uninstall):
    deploy_app.command()(kept_up)
deploy_app.command()(deploy_secrets.rotate_secrets)
deploy_app.command()(deploy_bundle.bundle)
for looked_after in (
    deploy_upkeep.status,
    deploy_upkeep.logs,
    deploy_upkeep.restart,
    deploy_upkeep.stop,
    deploy_upkeep.support_bundle,
    deploy_upkeep.monitoring,
):
    deploy_app.command()(looked_after)
app.add_typer(deploy_app, name="deploy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; exits 0 when done, 1 when refused or failed, 2 when misused."""
    try:
        app(args=arguments, prog_name="mip")
    except MipError as error:
        typer.echo(f"{error.title}: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of a pipe, such as head, has seen enough.
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
