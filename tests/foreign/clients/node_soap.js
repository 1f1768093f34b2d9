// foreign: name = "soap"
// foreign: what = "npm package, SOAP 1.1 and 1.2, OMS"
// foreign: npm = ["soap@1.13.0"]
// The npm package soap: classes from the description, promises; SOAP 1.1, and 1.2 where it is asked for.
'use strict'

const soap = require('soap')

const [url, login, psw, apikey, phone] = process.argv.slice(2)
const say = (operation, ok, detail) => console.log(`${operation}\t${ok ? 'ok' : 'differs'}\t${JSON.stringify(detail).slice(0, 150)}`)
const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds))
const who = { login, psw }
const mes = 'Съешь ещё этих мягких французских булок & <чаю>. '.repeat(8).trim() // the package trims what it reads

async function main() {
  const client = await soap.createClientAsync(`${url}/sys/soap.php?wsdl`)
  const port = client.describe().Service.ServiceSoap
  say('description', Object.keys(port).length === 7, Object.keys(port))

  const [{ balanceresult: before }] = await client.get_balanceAsync(who)
  say('get_balance', Number(before.balance) > 0 && before.error === '0', before)

  const [{ costresult: price }] = await client.get_sms_costAsync({ ...who, phones: phone, mes })
  say('get_sms_cost', Number(price.cost) > 0 && price.cnt === '6', price)

  const [{ sendresult: sent }] = await client.send_smsAsync({ ...who, phones: phone, mes })
  say('send_sms', Number(sent.id) > 0 && sent.cost === price.cost && sent.error === '0', sent)

  const query = 'translit=1&err=1'
  const [{ sendresult: more }] = await client.send_sms2Async({ apikey, phones: `${phone},12`, mes: 'Привет', query })
  say('send_sms2, key, errors', more.cnt === '1' && more.errors[0].phone === '12', more)

  await wait(4) // the demo's carrier tells within 3 s
  const [{ statusresult: status }] = await client.get_statusAsync({ ...who, phone, id: sent.id, all: 2 })
  say('get_status, all=2', status.status === '1' && status.message === mes && status.error === '0', status)

  const [{ statusresult: nothing }] = await client.get_status2Async({ ...who, phone, id: '1999999999', query: '' })
  say('status of nothing', nothing.error === '3', nothing)

  const [{ balanceresult: wrong }] = await client.get_balanceAsync({ login, psw: 'wrong' })
  say('wrong password', wrong.error === '2', wrong)

  const newer = await soap.createClientAsync(`${url}/sys/soap.php?wsdl`, { forceSoap12Headers: true })
  const [{ balanceresult: after }] = await newer.get_balanceAsync(who)
  const spent = Number(sent.cost) + Number(more.cost)
  say('SOAP 1.2, balance after', Math.abs(Number(before.balance) - Number(after.balance) - spent) < 0.005, after)

  const outlook = await soap.createClientAsync(`${url}/sys/oms.asmx?WSDL`)
  const user = `<xmsUser><userId>${login}</userId><password>${psw}</password></xmsUser>`
  const [info] = await outlook.GetUserInfoAsync({ xmsUser: user })
  say('OMS, GetUserInfo', info.GetUserInfoResult.includes('code="ok"'), info)
}

main().catch((error) => say('the program', false, String(error)))
