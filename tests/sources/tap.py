"""A program that speaks the Singer protocol, and misbehaves as its configuration says."""

import json
import sys
from pathlib import Path

VALUE = "Sw0rdfish-Meyer"


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def argument(name):
    return Path(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else None


def record(config, number, stream="users", version=None):
    said = {
        "record": {"id": number, "name": {"first": config.get("text", VALUE)}},
        "time_extracted": "2024-05-01T12:00:00Z",
    }
    if "inclusive" in config:
        said["record"]["at"] = f"2024-05-{number:02d}T00:00:00Z"
    version = version or config.get("version")
    stream = config.get("called", "{}").format(stream)
    say(type="RECORD", stream=stream, **said, **({"version": version} if version else {}))


def state(config, number):
    marks = {config.get("id", "{}").format(name): {"last": last} for name, last in (("users", number), ("others", 9))}
    say(type="STATE", value={"users_last": number} if config.get("states") == "whole" else {"bookmarks": marks})


def begun():
    path = argument("--state")
    if path is None:
        return 0
    given = json.loads(path.read_text())
    if "users_last" in given:
        return given["users_last"]
    (mark,) = given["bookmarks"].values()
    return mark["last"]


def schema(config, name, **properties):
    name = config.get("called", "{}").format(name)
    say(type="SCHEMA", stream=name, schema={"properties": {"id": {}, **properties}}, key_properties=["id"])


def main():
    config = json.loads(argument("--config").read_text())
    fault = config.get("fault")
    if "--discover" in sys.argv:
        streams = [
            {"tap_stream_id": config.get("id", "{}").format(name), "stream": name, "schema": {}, "metadata": []}
            for name in ("users", config.get("other", "others"))
        ]
        sys.stdout.write("nothing" if fault == "no catalog" else json.dumps({"streams": streams}, indent=2))
        return
    if not config.get("unasked"):
        chosen = json.loads((argument("--catalog") or argument("--properties")).read_text())["streams"]
        assert [entry["schema"]["selected"] for entry in chosen] == [True, False]
        assert [entry["metadata"][0]["metadata"]["selected"] for entry in chosen] == [True, False]
    first = begun()
    if fault != "no schema":
        schema(config, "users")
    schema(config, "others")
    record(config, 99, "others")
    # most taps ask for what is not older than the bookmark, so what stands at it is said again
    for number in range(first + (not config.get("inclusive") or not first), config.get("count", 4) + 1):
        record(config, number)
        if number % 2 == 0:
            state(config, number)
    if fault == "schema":
        schema(config, "users", more={})
    if fault == "batch":
        say(type="BATCH", stream="users", encoding={"format": "jsonl"}, manifest=[VALUE])
    if fault == "unknown":
        say(type=VALUE)
    if fault == "no stream":
        say(type="RECORD", record={"id": VALUE})
    if fault == "no record":
        say(type="RECORD", stream="users")
    if fault == "version":
        record(config, 5, version=12)
    if config.get("version"):
        say(type="ACTIVATE_VERSION", stream="users", version=config["version"])
    if fault == "exit":
        sys.exit(VALUE)


main()
