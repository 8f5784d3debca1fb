"""What a node has trusted once is not replaced by something older: revocation list and member list, live and at start."""
from cluster import wait_for
from provinces import add_provinces, wait_met


def refuses_to_start(node, id):
    node.start(wait=False)
    status = node.wait_exit()
    assert status != 0 and id in node.log_tail(3), node.log_tail(5)


def test_old_lists_do_not_come_back(cluster):
    sichuan, guangdong, zhejiang = nodes = add_provinces(cluster, "510000", "440000", "330000")
    cluster.start()
    wait_met(*nodes)
    old = {name: (sichuan.dir / name).read_bytes() for name in ("crl.pem", "members.note")}
    cluster.cli("ca", "revoke", "--dir", cluster.ca_dir, "--code", "330000", "--dismiss")
    cluster.publish()
    sichuan.reload()
    sichuan.wait_log("node.reloaded")
    new = {name: (sichuan.dir / name).read_bytes() for name in old}
    assert new["crl.pem"] != old["crl.pem"] and new["members.note"] != old["members.note"]
    wait_for(lambda: len(sichuan.get("/v1/peers").json()["peers"]) == 1, what="the dismissed peer to go")

    for name, id in (("crl.pem", "trust.crl-older"), ("members.note", "members.older")):
        (sichuan.dir / name).write_bytes(old[name])
        sichuan.expect_error(id)
        sichuan.reload()
        sichuan.wait_log(id)
        sichuan.stop()
        refuses_to_start(sichuan, id)
        (sichuan.dir / name).write_bytes(new[name])
        sichuan.start()
        assert len(sichuan.get("/v1/peers").json()["peers"]) == 1
