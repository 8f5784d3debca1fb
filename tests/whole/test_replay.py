"""A request repeated with its Idempotency-Key waits for the peers like the first one did, also when the first is over."""
from provinces import add_provinces, application, wait_met


def test_repeated_request_waits_for_the_peers(cluster):
    sichuan, guangdong = add_provinces(cluster, "510000", "440000")
    cluster.start()
    wait_met(sichuan, guangdong)
    key = {"Idempotency-Key": "repeat"}
    first = guangdong.post("/v1/cases", application(), headers=key).ok().json()

    again = guangdong.post("/v1/cases?durable=peers&timeout_ms=60000", application(), headers=key).ok().json()
    assert again["replayed"] and again["case"] == first["case"]
    assert again["peers_durable"] is True

    cluster.cut(guangdong, sichuan, "stall")
    second = guangdong.post("/v1/cases", application(serial=4), headers={"Idempotency-Key": "cut"}).ok().json()
    late = guangdong.post("/v1/cases?durable=peers&timeout_ms=200", application(serial=4), headers={"Idempotency-Key": "cut"})
    assert second.pop("route")["node"] == int(sichuan.region)  # told once, with the application
    assert second.pop("warnings")  # and so are these
    assert late.ok().json() == {**second, "warnings": [], "replayed": True, "peers_durable": False}
    cluster.heal()
