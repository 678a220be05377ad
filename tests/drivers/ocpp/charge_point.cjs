// Charge points on the ocpp-rpc stack in strict mode: one for each connection to the port that this process prints. A
// test sends one JSON object a line, the first one with the options, and reads what happens, one object a line. A charge
// point keeps a configuration and charging profiles and works out its limit from them by the rules of OCPP 1.6, 3.13,
// written here a second time, apart from the central system. Everything else is told by the test.
const { RPCClient, createRPCError } = require('../../counterparts/node_modules/ocpp-rpc');
const net = require('net');
const readline = require('readline');

function chargePoint(options, say) {
    const configuration = new Map(Object.entries(options.configuration).map(([key, [value, readonly]]) => [key, { value, readonly }]));
    const overrides = new Map(); // method -> {reply} | {error} | {silent: true}
    let profiles = [];
    let transactionId = null;
    let clock = { station: Date.now(), real: Date.now() };
    let client = null;

    const now = () => clock.station + (Date.now() - clock.real) * options.speed;

    function limitNow() {
        const inForce = (purpose) => profiles
            .filter((each) => each.chargingProfilePurpose === purpose)
            .filter((each) => purpose !== 'TxProfile' || each.transactionId === transactionId)
            .filter((each) => {
                const { startSchedule, duration } = each.chargingSchedule;
                if (each.chargingProfileKind === 'Relative') return true;
                const since = (now() - Date.parse(startSchedule)) / 1000;
                return since >= 0 && (duration === undefined || since < duration);
            })
            .sort((one, other) => other.stackLevel - one.stackLevel)[0];
        const chosen = (transactionId !== null && inForce('TxProfile')) || inForce('TxDefaultProfile');
        return chosen === undefined ? null : chosen.chargingSchedule;
    }

    const model = {
        GetConfiguration: ({ key }) => ({
            configurationKey: [...configuration]
                .filter(([name]) => !key || key.includes(name))
                .map(([name, { value, readonly }]) => ({ key: name, readonly, value })),
        }),
        ChangeConfiguration: ({ key, value }) => {
            const setting = configuration.get(key);
            if (setting === undefined) return { status: 'NotSupported' };
            const known = options.measurands;
            if (setting.readonly || (key === 'MeterValuesSampledData' && !value.split(',').every((each) => known.includes(each)))) {
                return { status: 'Rejected' };
            }
            setting.value = value;
            return { status: 'Accepted' };
        },
        SetChargingProfile: ({ csChargingProfiles: profile }) => {
            if (profile.chargingProfilePurpose === 'TxProfile' && profile.transactionId !== transactionId) return { status: 'Rejected' };
            if (profile.stackLevel > Number(configuration.get('ChargeProfileMaxStackLevel')?.value ?? 1)) return { status: 'Rejected' };
            const same = (each) => each.chargingProfileId === profile.chargingProfileId
                || (each.stackLevel === profile.stackLevel && each.chargingProfilePurpose === profile.chargingProfilePurpose);
            profiles = [...profiles.filter((each) => !same(each)), profile];
            return { status: 'Accepted' };
        },
        ClearChargingProfile: ({ id }) => {
            profiles = profiles.filter((each) => each.chargingProfileId !== id);
            return { status: 'Accepted' };
        },
        GetCompositeSchedule: ({ connectorId }) => {
            const schedule = limitNow();
            if (schedule === null) return { status: 'Rejected' };
            const { chargingRateUnit, chargingSchedulePeriod } = schedule;
            return { status: 'Accepted', connectorId, chargingSchedule: { duration: 60, chargingRateUnit, chargingSchedulePeriod } };
        },
        TriggerMessage: () => ({ status: 'Accepted' }),
        RemoteStartTransaction: () => ({ status: 'Accepted' }),
        RemoteStopTransaction: () => ({ status: 'Accepted' }),
    };

    function handle({ method, params }) {
        say({ event: 'call', method, params });
        const override = overrides.get(method);
        if (override?.silent) return new Promise(() => {});
        if (override?.error) throw createRPCError(override.error);
        if (override?.reply) return override.reply;
        if (model[method] === undefined) throw createRPCError('NotImplemented');
        return model[method](params);
    }

    const actions = {
        connect: async ({ identity, password, protocols, strict }) => {
            client = new RPCClient({
                endpoint: options.endpoint, identity, password, protocols, strictMode: strict, reconnect: false, callTimeoutMs: 5000,
                pingIntervalMs: options.pingIntervalMs,
            });
            client.handle(handle);
            const mine = client;
            client.on('disconnect', ({ code, reason }) => say({ event: 'closed', code, reason, current: mine === client }));
            client.on('strictValidationFailure', ({ method, error, outbound }) => say({ event: 'broken', method, outbound, error: String(error) }));
            client.on('badMessage', ({ error }) => say({ event: 'broken', error: String(error) }));
            await client.connect();
            return { protocol: client.protocol ?? null };
        },
        call: async ({ method, params }) => {
            const answer = await client.call(method, params);
            if (answer.currentTime) clock = { station: Date.parse(answer.currentTime), real: Date.now() };
            if (method === 'StartTransaction') transactionId = answer.transactionId;
            if (method === 'StopTransaction') {
                transactionId = null;
                profiles = profiles.filter((each) => each.chargingProfilePurpose !== 'TxProfile');
            }
            return answer;
        },
        raw: async ({ text }) => client.sendRaw(text),
        override: async ({ method, ...how }) => { overrides.set(method, how); },
        limit: async () => {
            const schedule = limitNow();
            return schedule && { unit: schedule.chargingRateUnit, ...schedule.chargingSchedulePeriod[0] };
        },
        transaction: async ({ number }) => { transactionId = number; },
        configuration: async () => Object.fromEntries([...configuration].map(([key, { value }]) => [key, value])),
        close: async () => client?.close({ force: true }),
    };

    return actions;
}

const server = net.createServer((socket) => {
    let actions = null;
    const say = (event) => socket.writable && socket.write(JSON.stringify(event) + '\n');
    readline.createInterface({ input: socket }).on('line', async (line) => {
        const { id, action, ...parameters } = JSON.parse(line);
        if (actions === null) {
            actions = chargePoint(parameters, say);
            return;
        }
        try {
            say({ id, answer: (await actions[action](parameters)) ?? null });
        } catch (error) {
            say({ id, error: error.rpcErrorCode ?? error.message, code: error.code ?? null });
        }
    });
    socket.on('close', () => actions?.close().catch(() => {}));
    socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.stdin.on('close', () => process.exit(0)).resume();
