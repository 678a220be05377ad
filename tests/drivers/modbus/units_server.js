// Units with bits and registers behind npm's modbus-serial, on TCP or a serial line: a stack that shares nothing with ours.
//
// node units_server.js IMAGE.json
// image: {"device": PATH or null, "units": {UNIT: {"coils" | "inputs" | "holding" | "registers": {ADDRESS: VALUE, ..}}}}
// Says its port. Takes "set UNIT TABLE ADDRESS VALUE" and "mood UNIT answers | silent | CODE" (an exception for all it is
// asked), and says "word 0" when it has done so.
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { ServerTCP, ServerSerial } = require(path.join(__dirname, "../../counterparts/node_modules/modbus-serial"));

const image = JSON.parse(fs.readFileSync(process.argv[2]));
const moods = {};
const say = (line) => process.stdout.write(line + "\n");

function from(table) {
    return (address, unit) => {
        const mood = moods[unit] || "answers";
        if (!(unit in image.units) || mood === "silent") return new Promise(() => {});
        if (mood !== "answers") throw { modbusErrorCode: Number(mood) };
        const value = (image.units[unit][table] || {})[address];
        if (value === undefined) throw { modbusErrorCode: 2 };
        return table === "coils" || table === "inputs" ? Boolean(value) : value;
    };
}

const vector = {
    getCoil: from("coils"),
    getDiscreteInput: from("inputs"),
    getHoldingRegister: from("holding"),
    getInputRegister: from("registers"),
};
if (image.device) {
    const server = new ServerSerial(vector, { port: image.device, path: image.device, baudRate: 9600, unitID: 255 });
    server.on("error", (error) => { say("failed " + error.message); process.exit(1); });
    server.on("initialized", () => say("port 0"));
} else {
    const server = new ServerTCP(vector, { host: "127.0.0.1", port: "0", unitID: 255 });
    server.on("socketError", () => {});
    server._server.on("listening", () => say("port " + server._server.address().port));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [verb, unit, name, address, value] = line.split(" ");
    if (verb === "set") image.units[unit][name][address] = Number(value);
    else moods[unit] = name;
    say("word 0");
}).on("close", () => process.exit(0));
