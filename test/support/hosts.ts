// Two hosts on one machine: network namespaces with a host name each, joined by a virtual cable.
import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import type { MpiOptions } from "./mpi.js";

const network = "10.213.77";

export interface TwoHosts extends MpiOptions {
  /** Bytes that the first host has sent over the cable. */
  bytesSent(): number;
}

/** Makes them for the time of a test; the result are options for mpirun, which then runs one rank on each. */
export async function twoHosts(t: TestContext, folder: string): Promise<TwoHosts> {
  const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
  const names = [1, 2].map((i) => `dcts${process.pid}-${i}`);
  const address = (i: number) => `${network}.${i + 1}`;
  t.after(() => {
    for (const name of names) ip("netns", "delete", name);
  });
  for (const name of names) ip("netns", "add", name);
  const cables = names.map((_, i) => `d${process.pid}v${i}`) as [string, string];
  ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1]);
  for (const [i, name] of names.entries()) {
    const cable = cables[i] as string;
    ip("link", "set", cable, "netns", name);
    ip("-n", name, "address", "add", `${address(i)}/24`, "dev", cable);
    ip("-n", name, "link", "set", cable, "up");
    ip("-n", name, "link", "set", "lo", "up");
  }
  // What mpirun calls in the place of ssh: HOST COMMAND..
  const agent = path.join(folder, "agent.sh");
  const cases = names.map((name, i) => `${address(i)}) name=${name} ;;`).join("\n");
  const enter = 'exec ip netns exec "$name" unshare --uts sh -c "hostname $name; $*"';
  writeFileSync(agent, `#!/bin/sh\nhost=$1\nshift\ncase $host in\n${cases}\nesac\n${enter}\n`);
  chmodSync(agent, 0o755);
  const subnet = `${network}.0/24`;
  const settings = {
    plm_rsh_agent: agent,
    orte_keep_fqdn_hostnames: "1",
    btl: "tcp,self",
    btl_tcp_if_include: subnet,
    oob_tcp_if_include: subnet,
  };
  const launcher = ["--host", `${address(0)}:1,${address(1)}:1`, "--map-by", "node"];
  const first = names[0] as string;
  return {
    launcher: [...launcher, ...Object.entries(settings).flatMap(([name, value]) => ["--mca", name, value])],
    enter: ["ip", "netns", "exec", first],
    bytesSent: () => {
      const counters = ip("-n", first, "-s", "-j", "link", "show", cables[0]);
      return (JSON.parse(counters) as [{ stats64: { tx: { bytes: number } } }])[0].stats64.tx.bytes;
    },
  };
}
