// foreign: name = "nodemailer"
// foreign: what = "npm package, letters over SMTP: plain, a page, 8 bit, a refused address"
// foreign: npm = ["nodemailer@10.6.0"]
// foreign: server = { HELIOGRAPH_SMTP_LISTEN = "127.0.0.1:25251" }
// The npm package nodemailer: multipart letters, quoted-printable or base64 as it likes, EHLO and pipelining.
'use strict'

const nodemailer = require('nodemailer')

const [url, login, psw, apikey, phone] = process.argv.slice(2)
const say = (operation, ok, detail) => console.log(`${operation}\t${ok ? 'ok' : 'differs'}\t${JSON.stringify(detail).slice(0, 150)}`)
const transport = nodemailer.createTransport({ host: '127.0.0.1', port: 25251, secure: false })
const envelope = { from: 'shop@example.ru', to: 'send@send.example.ru' }
const mes = 'Заказ 501: готов & ждёт\nвторая строка'

async function find(id, number) {
  const query = new URLSearchParams({ login, psw, id, phone: number, all: '1', fmt: '3', charset: 'utf-8' })
  return (await fetch(`${url}/sys/status.php?${query}`)).json()
}

async function send(operation, id, number, letter) {
  const sent = await transport.sendMail({ ...envelope, ...letter, envelope })
  const found = await find(id, number)
  say(operation, sent.response.startsWith('250') && found.message === mes, { response: sent.response, message: found.message })
}

async function main() {
  const order = (id, number, who = `${login}:${psw}`) => `${who}:${id}:0:0,0,:${number}:${mes}`
  const number = (step) => String(Number(phone) + step)
  await send('plain', '501', number(0), { text: order('501', number(0)) })
  await send('key, base64', '502', number(1), { text: order('502', number(1), `:${apikey}`), textEncoding: 'base64' })
  const page = order('503', number(2)).replace('&', '&amp;').replace('\n', '<br>')
  await send('page', '503', number(2), { html: `<p>Hello</p><div>[text]${page}[/text]</div><p>--<br>sent by a phone</p>` })
  const both = { text: `Hello\n[text]${order('504', number(3))}[/text]\nbye`, html: '<b>nothing</b>', attachments: [{ filename: 'a.txt', content: 'x' }] }
  await send('text, page, attachment', '504', number(3), both)

  const failure = await transport
    .sendMail({ from: envelope.from, to: 'nobody@send.example.ru', text: 'x' })
    .then(() => null, (error) => error)
  say('address that is none', failure !== null && failure.responseCode === 550, failure && failure.response)
  const large = await transport.sendMail({ ...envelope, text: 'x'.repeat(200000) }).then(() => null, (error) => error)
  say('letter that is too large', large !== null && large.responseCode === 552, large && large.response)
  transport.close()
}

main().catch((error) => {
  console.error(String(error))
  process.exit(1)
})
