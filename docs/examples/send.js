// Sends a text, waits for its status and prints the balance. Node 18 or newer, no packages.
//
//     node send.js [NUMBER]
//
// HELIOGRAPH_CLIENT_URL, _LOGIN and _PASSWORD say where and as whom; without them it is the demo, ./dev serve --demo.
'use strict'

const url = (process.env.HELIOGRAPH_CLIENT_URL || 'http://127.0.0.1:8080').replace(/\/+$/, '')
const login = process.env.HELIOGRAPH_CLIENT_LOGIN || 'demo'
const psw = process.env.HELIOGRAPH_CLIENT_PASSWORD || 'demo'
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds))

// One request: a POST form, so that the password stands in no log; JSON back, HTTP status 200 with errors, too.
async function ask(page, params) {
  const body = new URLSearchParams({ ...params, login, psw, charset: 'utf-8', fmt: 3 })
  const response = await fetch(`${url}/sys/${page}.php`, { method: 'POST', body, signal: AbortSignal.timeout(30000) })
  const answer = await response.json()
  if (answer.error_code) throw new Error(`error ${answer.error_code}: ${answer.error}`)
  return answer
}

async function main(phone) {
  const sent = await ask('send', { phones: phone, mes: 'Ваш заказ собран, ждём вас до 21:00' })
  console.log(`sent: id ${sent.id}`)
  let status
  for (const seconds of [1, 3, 6, 15, 30]) { // one message's status may be asked for five times a minute
    await pause(seconds)
    status = await ask('status', { phone, id: sent.id, all: 1 })
    if (status.status > 0) break
  }
  console.log(`status: ${status.status} ${status.status_name}`)
  const balance = await ask('balance', { cur: 1 })
  console.log(`balance: ${balance.balance} ${balance.currency}`)
}

main(process.argv[2] || '79161234567').catch((error) => {
  console.error(`it did not work: ${error.message}${error.cause ? ` (${error.cause.message || error.cause.code})` : ''}`)
  process.exit(1)
})
