"""The command line: one function per command, each printing one clear answer.

Exit codes: 0 done, 1 a problem was found or the thing asked for is false, 2 wrong usage or bad input, 3 unreachable.
Heavy modules are imported inside the commands, so that ``hems --help`` is there at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hems import __version__
from hems.domain.errors import OperatingError

app = typer.Typer(
    name="hems",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Home energy management: one plan for the whole house, a guard for its fuse, a reason for every command.",
)

SiteFile = Annotated[Path, typer.Argument(metavar="SITE.yaml", help="Site file of the installer.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def main() -> None:
    """Run a command; an expected trouble is one message and exit code 2, never a traceback."""
    try:
        app()
    except OperatingError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read us has seen enough (``hems ... | head``).
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A folder that is a file, a disk that is full: the world's doing, wherever it shows.
        print(f"{error.filename or 'hems'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hems {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""


@app.command()
def check(site: SiteFile, as_json: AsJson = False) -> None:
    """Every error and warning of a site file, at its line and column."""
    from hems.cli.check import check as run

    raise typer.Exit(run(site, as_json=as_json))


@app.command()
def schema(name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)] = "") -> None:
    """JSON Schema of a document: site, planning-problem, plan, decision-episode."""
    from hems.cli.schema import schema as run

    raise typer.Exit(run(name))


@app.command()
def plan(
    problem: Annotated[
        Path, typer.Argument(metavar="PROBLEM.json", help="- reads standard input.", show_default=False)
    ],
) -> None:
    """Solve a planning problem; the plan goes to standard output."""
    from hems.cli.plan import plan as run

    raise typer.Exit(run(problem))


@app.command()
def simulate(
    site: SiteFile,
    data: Annotated[
        Path | None, typer.Option(help="Simulation folder with measured data; default: the sample that is shipped.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First local day, as 2024-04-01.")] = None,
    days: Annotated[int, typer.Option(help="Number of days.")] = 7,
    strategy: Annotated[
        str, typer.Option(help="Comma-separated: unmanaged,rules,plan,informed,perfect.")
    ] = "rules,plan",
    report: Annotated[Path | None, typer.Option(help="Where the JSON report goes.")] = None,
    step: Annotated[int, typer.Option(help="Seconds between two ticks.")] = 60,
    seed: Annotated[int, typer.Option(help="Of appliances, phases and weather errors.")] = 1,
    departures: Annotated[str, typer.Option(help="told or learned.")] = "told",
    execute: Annotated[str, typer.Option(help="Plans by value, or planned: their powers to the watt.")] = "value",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier call with the same report stopped.")
    ] = False,
    jobs: Annotated[int, typer.Option(help="Strategies side by side.")] = 2,
    as_json: AsJson = False,
) -> None:
    """A house in closed loop over measured data: the same tick, planner and guard, in virtual time."""
    from hems.cli.simulate import simulate as run

    raise typer.Exit(
        run(
            site,
            data=data,
            start=start,
            days=days,
            strategy=strategy,
            report_path=report,
            step_s=step,
            seed=seed,
            departures=departures,
            execute=execute,
            resume=resume,
            jobs=jobs,
            as_json=as_json,
        )
    )


@app.command()
def run(
    site: SiteFile,
    state_dir: Annotated[Path, typer.Option(help="Where history, record and commitments are kept.")] = Path(
        "hems-state"
    ),
    host: Annotated[str, typer.Option(help="Address of the page; loopback only until there are accounts.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8080,
    ocpp_host: Annotated[str, typer.Option(help="Address at which chargers may call.")] = "0.0.0.0",  # noqa: S104
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="Take the clock of this machine for right without a time server.")
    ] = False,
    prices_url: Annotated[
        str | None, typer.Option(help="A server of your own that answers as https://api.energy-charts.info does.")
    ] = None,
    weather_url: Annotated[
        str | None, typer.Option(help="A server of your own that answers as https://api.open-meteo.com does.")
    ] = None,
) -> None:
    """The daemon: a real house, until SIGTERM or Ctrl-C."""
    from hems.cli.run import run as start

    raise typer.Exit(
        start(
            site,
            state_dir=state_dir,
            host=host,
            port=port,
            ocpp_host=ocpp_host,
            trust_clock=trust_clock,
            prices_url=prices_url,
            weather_url=weather_url,
        )
    )


@app.command()
def demo(
    house: Annotated[str, typer.Option(help="full or small.")] = "full",
    speed: Annotated[float, typer.Option(help="House seconds in each real one, up to 200.")] = 30.0,
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8080,
    start_at: Annotated[
        str | None, typer.Option(help="Where the house's clock starts, as 2026-06-21T06:30Z; default: this morning.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep history and record here; default: a folder that is removed at the end.")
    ] = None,
) -> None:
    """A whole simulated house with the real daemon: devices over their own protocols, a broker, and the page."""
    from hems.cli.demo import demo as start

    raise typer.Exit(start(house=house, speed=speed, port=port, start_at=start_at, state_dir=state_dir))


@app.command()
def sim(
    start_at: Annotated[str, typer.Option(help="Where the house's clock starts, as 2026-06-21T06:30Z.")],
    house: Annotated[str, typer.Option(help="full or small.")] = "full",
    speed: Annotated[float, typer.Option(help="House seconds in each real one.")] = 1.0,
    epoch_s: Annotated[
        float | None, typer.Option(help="Machine's monotonic second of the start; default: now.")
    ] = None,
    absent: Annotated[str, typer.Option(help="Devices that are not there at first, as grid,battery.")] = "",
    ocpp_url: Annotated[str | None, typer.Option(help="Where the charger calls, as ws://127.0.0.1:8887.")] = None,
) -> None:
    """The devices of a demo house alone, over their own protocols."""
    from hems.cli.sim import sim as start

    raise typer.Exit(
        start(house=house, speed=speed, start_at=start_at, epoch_s=epoch_s, absent=absent, ocpp_url=ocpp_url)
    )


secrets_app = typer.Typer(no_args_is_help=True, help="Passwords that the site file refers to.")
app.add_typer(secrets_app, name="secrets")
BesideSite = Annotated[
    Path | None,
    typer.Option(
        "--site", help="The site file beside which they are kept; default: ./site.yaml, else that of the service."
    ),
]
SERVICE_SITE = Path("/etc/hems/site.yaml")


def _site(named: Path | None) -> Path:
    here = Path("site.yaml")
    return named or (SERVICE_SITE if SERVICE_SITE.exists() and not here.exists() else here)


@secrets_app.command("set")
def secrets_set(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)], site: BesideSite = None
) -> None:
    """Store one, asked for twice, or read from standard input where there is no terminal."""
    from hems.cli.secrets import set_secret

    raise typer.Exit(set_secret(name, site=_site(site)))


@secrets_app.command("list")
def secrets_list(site: BesideSite = None, as_json: AsJson = False) -> None:
    """Names of those that are set."""
    from hems.cli.secrets import list_secrets

    raise typer.Exit(list_secrets(site=_site(site), as_json=as_json))


@app.command()
def forecasts(
    state_dir: Annotated[Path, typer.Option(help="Where the daemon keeps its state.")] = Path("/var/lib/hems"),
    days: Annotated[int, typer.Option(help="How far back.", min=1, max=400)] = 28,
    as_json: AsJson = False,
) -> None:
    """How good the forecasts were, against what happened and against yesterday and last week."""
    from hems.cli.forecasts import forecasts as run

    raise typer.Exit(run(state_dir=state_dir, days=days, as_json=as_json))


@app.command()
def limits(
    state_dir: Annotated[Path, typer.Option(help="Where the daemon keeps its state.")] = Path("/var/lib/hems"),
    days: Annotated[int, typer.Option(help="How far back.", min=1, max=1_100)] = 90,
    as_csv: Annotated[bool, typer.Option("--csv", help="As a table for the operator.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the grid operator limited, when, and how it was kept."""
    from hems.cli.limits import limits as run

    raise typer.Exit(run(state_dir=state_dir, days=days, as_json=as_json, as_csv=as_csv))


learned_app = typer.Typer(no_args_is_help=True, help="What devices turned out to be, and whether to plan with it.")
app.add_typer(learned_app, name="learned")
LearnedKey = Annotated[str, typer.Argument(metavar="DEVICE.FACT", help="As hems learned list has it.")]
PageHost = Annotated[str, typer.Option("--host", help="Address of the daemon's page.")]
PagePort = Annotated[int, typer.Option("--port", help="Port of the daemon's page.")]


@learned_app.command("list")
def learned_list(host: PageHost = "127.0.0.1", port: PagePort = 8080, as_json: AsJson = False) -> None:
    """Everything that was learned, suggestions first."""
    from hems.cli.learned import list_learned

    raise typer.Exit(list_learned(host=host, port=port, as_json=as_json))


@learned_app.command("use")
def learned_use(key: LearnedKey, host: PageHost = "127.0.0.1", port: PagePort = 8080, as_json: AsJson = False) -> None:
    """Plan with what was learned."""
    from hems.cli.learned import decide_learned

    raise typer.Exit(decide_learned(key, use=True, host=host, port=port, as_json=as_json))


@learned_app.command("decline")
def learned_decline(
    key: LearnedKey, host: PageHost = "127.0.0.1", port: PagePort = 8080, as_json: AsJson = False
) -> None:
    """Plan with what the site file says, also where the learned value was in use."""
    from hems.cli.learned import decide_learned

    raise typer.Exit(decide_learned(key, use=False, host=host, port=port, as_json=as_json))


@app.command()
def status(
    host: PageHost = "127.0.0.1",
    port: PagePort = 8080,
    plan: Annotated[bool, typer.Option("--plan", help="What comes, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the house does now, why, and what it has to do without; asked of the daemon at work."""
    from hems.cli.status import status as run

    raise typer.Exit(run(host=host, port=port, plan=plan, as_json=as_json))


@app.command()
def chaos(
    seeds: Annotated[int, typer.Option(help="How many houses, each with its own faults.")] = 4,
    first_seed: Annotated[int, typer.Option(help="Of the first house; the others follow.")] = 0,
    days: Annotated[int, typer.Option(help="Days of each house.")] = 1,
    state: Annotated[
        Path | None, typer.Option(help="Folder that keeps finished seeds: a later call goes on and adds up.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulated houses under injected faults: what was broken, how soon they were well again."""
    from hems.cli.chaos import chaos as run

    raise typer.Exit(run(seeds=seeds, first_seed=first_seed, days=days, state=state, as_json=as_json))


@app.command()
def explain(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Name or id of a device.", show_default=False)],
    record: Annotated[
        Path, typer.Option(help="Decision record: the folder that hems simulate leaves beside its report.")
    ] = Path("hems-simulation.record"),
    at: Annotated[str | None, typer.Option(help="Local time, 2024-04-03T19:30; default: the latest decision.")] = None,
    strategy: Annotated[str, typer.Option(help="Which simulated strategy.")] = "plan",
    as_json: AsJson = False,
) -> None:
    """What a device did, why, and what held it back, from the decision record."""
    from hems.cli.explain import explain as run

    raise typer.Exit(run(device, record=record, at=at, strategy=strategy, as_json=as_json))
