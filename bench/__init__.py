"""What Muster costs beside what it cannot do without: `python -m bench [name…] [--quick] [--json FILE]`.

Each bench runs Muster and its floor in the same run, in turns, and tells medians, spreads and what was saturated. A
floor is the least that any program on the same parts would do: read and forget, publish and count, the bare driver.

    ingest sweep_idle drift_query push status commands     one module each: `run(size) -> Result`
    size measure report                                    how much is done, what is measured, how it is shown
    load acker packets                                     the devices' side: raw MQTT packets over a socket
    broker registry child                                  the surroundings: broker, filled registries, processes
"""
