"""The content of test/bench/ledger.ts in MLflow's tracking store, and the same two questions asked by its client.

The store is made by MLflow itself. Its tables are then filled at once, as a million calls of its client would do one by
one: of ten runs one cleans data, eight train on it, and one evaluates; what a run has made is a tag of it, what it has
read is a dataset.
"""

import hashlib
import os
import sqlite3
import sys
import time
import uuid

folder, count, group_size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
path = os.path.join(folder, "mlflow.db")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import logging

logging.disable(logging.WARNING)
import mlflow

mlflow.set_tracking_uri("sqlite:///" + path)
client = mlflow.MlflowClient()
experiment = client.create_experiment("digits", artifact_location=folder)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:36]


runs, tags, metrics, latest, datasets, inputs = [], [], [], [], {}, []


def dataset(name, content):
    found = datasets.get(content)
    if found is None:
        found = datasets[content] = (uuid.uuid4().hex, int(experiment), name, content, "local", "{}")
    return found[0]


sample_models, sample_data = [], []
clean = model = None
for number in range(count):
    part, group = number % group_size, number // group_size
    run = uuid.uuid4().hex
    when = 1767225600000 + number * 30000
    runs.append((run, f"run-{group}", "LOCAL", "", "", f"user{group % 40}", "FINISHED", when, when, "", "active", folder, int(experiment)))
    if part == 0:
        clean = digest(f"clean {group}")
        read, made = dataset("raw", digest(f"data {group // 100}")), ("clean", clean)
    elif part < group_size - 1:
        model = digest(f"model {number}")
        read, made = dataset("clean", clean), ("model", model)
    else:
        read, made = dataset("model", model), ("report", digest(f"report {group}"))
        if group % max(1, count // group_size // 200) == 0:
            sample_models.append(model)
            sample_data.append(clean)
    tags.append((made[0], made[1], run))
    inputs.append((uuid.uuid4().hex, "DATASET", read, "RUN", run, 0))
    if part > 0:
        metrics.append(("accuracy", 0.9, when, run, 0, 0))
        latest.append(("accuracy", 0.9, when, 0, 0, run))

since = time.perf_counter()
database = sqlite3.connect(path)
database.execute("PRAGMA synchronous = OFF")
database.executemany(
    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,"
    " source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
    runs,
)
database.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?,?,?)", tags)
database.executemany("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?,?,?,?,?,?)", metrics)
database.executemany("INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?,?,?,?,?,?)", latest)
database.executemany(
    "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source)"
    " VALUES (?,?,?,?,?,?)",
    datasets.values(),
)
database.executemany(
    "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) VALUES (?,?,?,?,?,?)",
    inputs,
)
database.commit()
database.execute("ANALYZE")
database.commit()
database.close()
print(f"PEER:MLflow:{mlflow.__version__}")
print(f"METRIC:MLflow, its database:{os.path.getsize(path) / 2**20}:MiB")


def search(condition):
    return client.search_runs([experiment], filter_string=condition, max_results=100)


def behind(model):
    (trained,) = search(f"tags.model = '{model}'")
    cleaned = trained.inputs.dataset_inputs[0].dataset.digest
    (cleaning,) = search(f"tags.clean = '{cleaned}'")
    assert cleaning.inputs.dataset_inputs[0].dataset.name == "raw"


def came_of(data):
    assert len([run for run in search(f"dataset.digest = '{data}'") if "model" in run.data.tags]) == group_size - 2


def ask(name, question, objects, seconds):
    question(objects[0])
    times, end = [], time.perf_counter() + seconds
    for each in objects:
        start = time.perf_counter()
        question(each)
        times.append((time.perf_counter() - start) * 1000)
        if time.perf_counter() > end:
            break
    times.sort()
    print(f"METRIC:MLflow, {name}, p50:{times[len(times) // 2]}:ms")
    print(f"METRIC:MLflow, {name}, p95:{times[int(len(times) * 0.95)]}:ms")


ask("a model → what is behind it", behind, sample_models, 60)
ask("data → what came of it", came_of, sample_data, 60)
