// foreign: name = "node-smsc"
// foreign: what = "npm package, MD5 login, multipart"
// foreign: npm = ["node-smsc@0.2.3"]
// The npm package node-smsc: the MD5 of the password, the query in the URL, files in a chunked multipart POST.
'use strict'

const initSmsc = require('node-smsc')

const [url, login, password, , phone] = process.argv.slice(2)
const smsc = initSmsc({ login, password, request: `${url}/sys/` })
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const say = (operation, ok, detail) =>
  console.log(`${operation}\t${ok ? 'ok' : 'differs'}\t${typeof detail === 'string' ? detail : JSON.stringify(detail)}`)
const keys = (value) => Object.keys(value).sort().join(' ')

async function main() {
  const mes = 'Проверка: 100% & «кавычки»\nвторая строка'
  const balance = await smsc.balance({ cur: 1 })
  say('balance', keys(balance) === 'balance currency' && typeof balance.balance === 'string', balance)
  const price = await smsc.send({ phones: phone, mes, cost: 1 })
  say('price', keys(price) === 'cnt cost' && price.cnt === 1 && typeof price.cost === 'string', price)
  const sent = await smsc.send({ phones: phone, mes, cost: 3, op: 1, translit: 0, time: 0, sender: '', charset: 'utf8' })
  say('send', keys(sent) === 'balance cnt cost id phones' && typeof sent.id === 'number' && sent.cnt === 1, sent)
  const sum = (sent.phones || []).reduce((all, each) => all + Number(each.cost), 0)
  say('send, phones', sent.phones.length === 1 && sum === Number(sent.cost) && sent.phones[0].mccmnc !== '', sent.phones)

  // What it does with files: everything else stays in the URL.
  const parts = [{ field: 'mes', value: mes, options: { contentType: 'text/plain; charset=utf-8' } }]
  const posted = await smsc.send({ phones: String(Number(phone) + 1), charset: 'utf-8' }, { files: parts })
  say('send, multipart', keys(posted) === 'cnt id' && posted.cnt === 1, posted)

  let status
  for (let i = 0; i < 4; i++) { // the same status may be asked for five times a minute
    await pause(2000)
    status = await smsc.status({ phone, id: sent.id, all: 1 })
    if (status.status > 0) break
  }
  say('status', status.status === 1 && typeof status.last_timestamp === 'number', `${status.status} ${status.last_date}`)
  say('status, text', status.message === mes, status.message.replace('\n', '\\n'))
  const list = await smsc.status({ phone: `${phone},${Number(phone) + 1}`, id: `${sent.id},${posted.id}` })
  say('status, list', Array.isArray(list) && list.length === 2 && list[1].id === posted.id, list)

  const error = await smsc.send({ phones: '', mes: 'nobody' }).then(() => null, (failure) => failure)
  const isKnown = error instanceof initSmsc.SmscApiError && error.response.error_code === 1
  say('error', isKnown && typeof error.response.error === 'string', error ? error.message : 'none')
}

main().catch((error) => {
  console.error(String(error))
  process.exit(1)
})
