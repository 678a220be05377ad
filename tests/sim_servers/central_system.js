// An OCPP 1.6 central system of another make (npm ocpp-rpc, strict: what breaks the schemas ends the connection).
// Calls of the charge point go to standard output, one JSON line each; each line on standard input is
// {"action": ..., "payload": ...} and is sent to it, or {"hang_up": true}. Times in BootNotification are of no use.
"use strict";
const { RPCServer } = require(process.argv[2]);
const readline = require("readline");

const accept = { authorize: "Accepted", boot: "Accepted" };
let nextTransaction = 7;
let client = null;
const say = (document) => process.stdout.write(JSON.stringify(document) + "\n");

const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true });
server.auth((acceptClient, reject, handshake) => {
  const password = handshake.password ? handshake.password.toString() : "";
  say({ connected: handshake.identity, password, protocols: [...handshake.protocols] });
  acceptClient({}, "ocpp1.6");
});
server.on("client", (connected) => {
  client = connected;
  client.on("strictValidationFailure", (event) => say({ broken: String(event.error && event.error.message) }));
  client.handle(({ method, params }) => {
    say({ action: method, payload: params });
    switch (method) {
      case "BootNotification":
        return { status: accept.boot, interval: 600, currentTime: new Date().toISOString() };
      case "Heartbeat":
        return { currentTime: new Date().toISOString() };
      case "Authorize":
        return { idTagInfo: { status: accept.authorize } };
      case "StartTransaction":
        return { transactionId: nextTransaction++, idTagInfo: { status: "Accepted" } };
      case "StopTransaction":
        return { idTagInfo: { status: "Accepted" } };
      default:
        return {};
    }
  });
});
readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const order = JSON.parse(line);
  if (order.accept) return void Object.assign(accept, order.accept);
  if (order.hang_up) return void client.close({ code: 1001 });
  try {
    say({ answer: order.action, payload: await client.call(order.action, order.payload) });
  } catch (error) {
    say({ answer: order.action, error: error.rpcErrorCode || String(error) });
  }
}).on("close", () => process.exit(0));
server.listen(0, "127.0.0.1").then((http) => say({ port: http.address().port }));
