// Holding registers behind npm's modbus-serial: a Modbus stack that shares nothing with ours.
//
// node modbus_server.js IMAGE.json    image: {"start": ADDRESS, "words": [..], "read_only": [ADDRESS, ..]}
// Says its port, then the bytes of each write from the unit number on. Takes "set ADDRESS WORD" and "get ADDRESS".
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { ServerTCP } = require(path.join(__dirname, "../../counterparts/node_modules/modbus-serial"));

const image = JSON.parse(fs.readFileSync(process.argv[2]));
const readOnly = new Set(image.read_only || []);
const say = (line) => process.stdout.write(line + "\n");

function index(address) {
    const at = address - image.start;
    if (at < 0 || at >= image.words.length) throw { modbusErrorCode: 2 };
    return at;
}

const server = new ServerTCP({
    getHoldingRegister: (address) => image.words[index(address)],
    setRegister: (address, value) => {
        if (readOnly.has(address)) throw { modbusErrorCode: 3 };
        image.words[index(address)] = value;
    },
}, { host: "127.0.0.1", port: "0", unitID: 1 });

server._server.on("connection", (socket) => socket.on("data", (data) => {
    if (data[7] === 6 || data[7] === 16) say("wrote " + data.subarray(6).toString("hex"));
}));
server.on("socketError", () => {});
server._server.on("listening", () => say("port " + server._server.address().port));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [verb, address, word] = line.split(" ");
    if (verb === "set") image.words[index(Number(address))] = Number(word);
    say("word " + image.words[index(Number(address))]);
}).on("close", () => process.exit(0));
