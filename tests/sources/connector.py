"""A program that speaks the Airbyte or the Singer protocol, and misbehaves as its configuration says."""

import json
import os
import signal
import stat
import sys
import time
from pathlib import Path

VALUE = "Sw0rdfish-Meyer"


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def argument(name):
    return Path(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else None


def record(config, number):
    data = {
        "id": number,
        "name": {"first": config.get("text", VALUE)},
        "updated_at": f"2024-01-{number % 28 + 1:02d}T00:00:00Z",
        "pay": 1.10,
    }
    emitted = config.get("emitted") or int(time.time() * 1000)
    said = {"stream": config.get("called", "users"), "data": data, "emitted_at": emitted}
    return {"type": "RECORD", "record": {**said, **config.get("namespaced", {})}}


def state(number):
    descriptor = {"name": "users"}
    return {
        "type": "STATE",
        "state": {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": {"last": number}}},
    }


def shared(number, kind):
    if kind == "LEGACY":
        return {"type": "STATE", "state": {"data": {"users": {"last": number}}}}
    streams = [{"stream_descriptor": {"name": "users"}, "stream_state": {"last": number}}]
    return {
        "type": "STATE",
        "state": {"type": "GLOBAL", "global": {"shared_state": {"last": number}, "stream_states": streams}},
    }


def begun():
    path = argument("--state")
    if path is None:
        return 0
    given = json.loads(path.read_text())
    if isinstance(given, dict):
        return given["users"]["last"]
    (found,) = given
    if found["type"] == "GLOBAL":
        return found["global"]["shared_state"]["last"]
    return found["stream"]["stream_state"]["last"]


def misbehave(fault, config):
    """What goes wrong in the middle of the records."""
    trace = {
        "type": "ERROR",
        "emitted_at": 1,
        "error": {"message": VALUE, "failure_type": "system_error", "stack_trace": VALUE},
    }
    incomplete = {
        "type": "STREAM_STATUS",
        "emitted_at": 1,
        "stream_status": {"stream_descriptor": {"name": "users"}, "status": "INCOMPLETE"},
    }
    match fault:
        case "error":
            say({"type": "TRACE", "trace": trace})
        case "config error":
            say({"type": "TRACE", "trace": {**trace, "error": {"message": VALUE, "failure_type": "config_error"}}})
        case "incomplete":
            say({"type": "TRACE", "trace": incomplete})
        case "exit":
            print(VALUE, config["api_key"], file=sys.stderr)
            sys.exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "garbage":
            print(f"Traceback: {VALUE}", flush=True)
        case "no object":
            print("[1, 2]", flush=True)
        case "unknown":
            say({"type": VALUE})
        case "silent":
            time.sleep(10)
        case "endless":
            while True:
                say({"type": "LOG", "log": {"level": "INFO", "message": VALUE}})
                time.sleep(0.01)
        case "closed":
            # nothing will be said any more, and it goes on
            os.close(1)
            os.close(2)
            time.sleep(600)
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        case "cut off":
            sys.stdout.write(json.dumps(record(config, 9))[:40])
            sys.stdout.flush()
            sys.exit(0)
        case "no data":
            say({"type": "RECORD", "record": {"stream": "users"}})
        case "long line":
            sys.stdout.write("x" * 200_000)
            sys.stdout.flush()
            time.sleep(60)


def main():
    config_path = argument("--config")
    config = json.loads(config_path.read_text())
    spied = {"argv": sys.argv[1:], "environment": dict(os.environ), "mode": stat.S_IMODE(config_path.stat().st_mode)}
    spied["folder"] = [str(config_path.parent), stat.S_IMODE(config_path.parent.stat().st_mode)]
    if "spy" in config:
        Path(config["spy"]).write_text(json.dumps(spied))
    if "discover" in sys.argv:
        if config.get("fault") == "no catalog":
            return
        stream = {
            "name": "users",
            "json_schema": {"minimum": 1},
            "supported_sync_modes": ["full_refresh", "incremental"],
            **config.get("offered", {}),
        }
        return say({"type": "CATALOG", "catalog": {"streams": [stream, {"name": "others", "json_schema": {}}]}})
    (chosen,) = json.loads(argument("--catalog").read_text())["streams"]
    assert chosen["stream"]["json_schema"] == {"minimum": 1}
    first = begun() if chosen["sync_mode"] == "incremental" else 0
    count, kind = config.get("count", 4), config.get("states", "STREAM")
    say({"type": "LOG", "log": {"level": "WARN", "message": VALUE + config["api_key"]}})
    for number in range(first + 1, count + 1):
        if number == first + 1 and config.get("position") == "first":
            misbehave(config.get("fault"), config)
        say(record(config, number))
        if number == first + 2 and config.get("position") == "middle":
            misbehave(config.get("fault"), config)
        if number % 2 == 0 and kind != "none":
            say(state(number) if kind == "STREAM" else shared(number, kind))
    if config.get("position") == "last":
        misbehave(config.get("fault"), config)


main()
