// foreign: name = "node-smpp"
// foreign: what = "npm package smpp, SMPP 5.0: message_payload, sar_ fields, receipts, query_sm"
// foreign: npm = ["smpp@0.5.1"]
// foreign: server = { HELIOGRAPH_SMPP_LISTEN = "127.0.0.1:25262" }
// The npm package smpp: a transceiver; one long text in message_payload, another in parts with sar_ fields.
'use strict'

const smpp = require('smpp')

const [url, login, psw, , phone] = process.argv.slice(2)
const say = (operation, ok, detail) => console.log(`${operation}\t${ok ? 'ok' : 'differs'}\t${JSON.stringify(detail).slice(0, 200)}`)
const mes = 'Ваш заказ 1512 собран и ждёт вас по адресу: Тверская улица, дом 7, с 9 до 21 часа. '.repeat(2)
const receipts = new Map()
let arrived = () => {}

function connect() {
  return new Promise((resolve, reject) => {
    const session = smpp.connect({ url: 'smpp://127.0.0.1:25262' }, () => resolve(session))
    session.on('error', reject)
  })
}

const ask = (session, command, fields) => new Promise((resolve) => session[command](fields, resolve))

function take(session, pdu) {
  session.send(pdu.response())
  const told = /^id:(\d+) sub:\d+ dlvrd:\d+ submit date:\d{10} done date:\d{10} stat:(\w+)/.exec(pdu.short_message.message)
  const same = told && pdu.esm_class === 4 && pdu.receipted_message_id === told[1]
  receipts.set(told ? told[1] : pdu.sequence_number, same ? told[2] : pdu.short_message.message)
  arrived()
}

async function wait(ids) {
  while (!ids.every((id) => receipts.has(id))) await new Promise((resolve) => { arrived = resolve })
  return ids.map((id) => receipts.get(id))
}

async function find(id, number) {
  const query = new URLSearchParams({ login, psw, id, phone: number, all: '1', fmt: '3', charset: 'utf-8' })
  return (await fetch(`${url}/sys/status.php?${query}`)).json()
}

async function main() {
  const stranger = await connect()
  const refused = await ask(stranger, 'bind_transceiver', { system_id: login, password: 'wrong' })
  say('wrong password', refused.command_status === smpp.ESME_RINVPASWD, refused.command_status)
  stranger.destroy()

  const session = await connect()
  session.on('deliver_sm', (pdu) => take(session, pdu))
  const bound = await ask(session, 'bind_transceiver', { system_id: login, password: psw, interface_version: 0x50 })
  say('bind', bound.command_status === 0, bound.command_status)
  const common = { source_addr_ton: 5, source_addr: 'DEMO', dest_addr_ton: 1, dest_addr_npi: 1, registered_delivery: 1, data_coding: 8 }

  const whole = await ask(session, 'submit_sm', { ...common, destination_addr: phone, short_message: '', message_payload: mes })
  say('message_payload', whole.command_status === 0 && /^\d+$/.test(whole.message_id), whole.message_id)
  const seen = await wait([whole.message_id])
  say('receipt', seen[0] === 'DELIVRD', seen)
  const stored = await find(whole.message_id, phone)
  say('the whole text', stored.message === mes && stored.status === 1, stored)
  const state = await ask(session, 'query_sm', { message_id: whole.message_id, source_addr_ton: 5, source_addr: 'DEMO' })
  say('query_sm', state.message_state === 2, state.message_state)

  const number = String(Number(phone) + 1)
  const parts = mes.match(/[^]{1,67}/g)
  const ids = []
  for (const [step, part] of parts.entries()) {
    const sar = { sar_msg_ref_num: 77, sar_total_segments: parts.length, sar_segment_seqnum: step + 1 }
    const answer = await ask(session, 'submit_sm', { ...common, destination_addr: number, short_message: part, ...sar })
    ids.push(answer.message_id)
  }
  const ends = await wait(ids)
  say('parts with sar_ fields', ids.length === 3 && ends.every((end) => end === 'DELIVRD'), { ids, ends })
  const joined = await find(ids[0], number)
  say('parts, the whole text', joined.message === mes, joined)
  await ask(session, 'unbind', {})
  session.destroy()
}

main().catch((error) => {
  console.error(String(error))
  process.exit(1)
})
