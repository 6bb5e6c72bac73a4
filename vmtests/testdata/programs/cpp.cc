// cpp: what the C++ library makes of exceptions, threads, locks and time.
#include "../c/check.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <map>
#include <mutex>
#include <random>
#include <regex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

using namespace std;

static int depth(int n)
{
	if (n == 0)
		throw runtime_error("deep");
	string s(100, 'x');
	return depth(n - 1) + s.size();
}

static void exceptions()
{
	int caught = 0;
	for (int i = 0; i < 200; i++) {
		try {
			depth(50);
		} catch (exception &e) {
			caught += string(e.what()) == "deep";
		}
	}
	CHECK(caught == 200, "%d of 200 caught", caught);
}

static thread_local string local = "init";

static void threads()
{
	vector<thread> v;
	atomic<int> sum{0}, lost{0};
	for (int i = 0; i < 50; i++)
		v.emplace_back([&, i] {
			local = to_string(i);
			this_thread::sleep_for(1ms);
			try {
				throw i;
			} catch (int x) {
				sum += x;
			}
			lost += local != to_string(i);
		});
	for (auto &t : v)
		t.join();
	CHECK(sum == 1225 && lost == 0, "sum %d, %d lost thread-local strings", sum.load(), lost.load());
}

static void futures()
{
	auto f = async(launch::async, [] {
		this_thread::sleep_for(20ms);
		return 7;
	});
	CHECK(f.wait_for(1ms) == future_status::timeout, "no time-out");
	CHECK(f.get() == 7, "another result");
	promise<int> p;
	thread([&] { p.set_exception(make_exception_ptr(logic_error("x"))); }).join();
	bool caught = false;
	try {
		p.get_future().get();
	} catch (logic_error &) {
		caught = true;
	}
	CHECK(caught, "the other thread's exception");
}

static void locks()
{
	timed_mutex m;
	m.lock();
	bool locked = true;
	thread([&] { locked = m.try_lock_for(10ms); }).join();
	CHECK(!locked, "locked twice");
	m.unlock();
	latch l(5);
	counting_semaphore<5> s(0);
	vector<jthread> j;
	for (int i = 0; i < 5; i++)
		j.emplace_back([&] {
			l.arrive_and_wait();
			s.release();
		});
	for (int i = 0; i < 5; i++)
		s.acquire();
	j.clear();
	jthread spin([](stop_token t) {
		while (!t.stop_requested())
			this_thread::yield();
	});
	this_thread::sleep_for(5ms);
	spin.request_stop();
}

static void containers()
{
	map<string, int> m;
	for (int i = 0; i < 20000; i++)
		m[to_string(i * 7919 % 20011)] = i;
	CHECK(m.size() == 20000, "%zu in the map", m.size());
	CHECK(regex_match("abc123", regex("[a-z]+[0-9]+")), "no match");
	random_device rd;
	mt19937 g(rd());
	uniform_int_distribution<> d(1, 6);
	for (int i = 0; i < 1000; i++) {
		int x = d(g);
		CHECK(x >= 1 && x <= 6, "die shows %d", x);
	}
}

static void clocks()
{
	auto start = chrono::steady_clock::now();
	this_thread::sleep_until(start + 30ms);
	CHECK(chrono::steady_clock::now() - start >= 30ms, "awake too early");
	CHECK(chrono::system_clock::now().time_since_epoch() > chrono::hours(24 * 365 * 40), "before 2010");
}

static void files()
{
	CHECK(!ifstream("/nonexistent"), "opened");
	error_code ec;
	CHECK(filesystem::exists("/", ec), "%s", ec.message().c_str());
	CHECK(filesystem::directory_iterator("/", ec) != filesystem::directory_iterator(), "%s", ec.message().c_str());
	CHECK(thread::hardware_concurrency() >= 1, "no CPU");
}

static void many()
{
	latch l(1);
	vector<thread> v;
	try {
		for (int i = 0; i < 500; i++)
			v.emplace_back([&] { l.wait(); });
	} catch (system_error &e) {
		CHECK(false, "thread %zu: %s", v.size(), e.what());
	}
	l.count_down();
	for (auto &t : v)
		t.join();
}

int main()
{
	RUN(exceptions);
	RUN(threads);
	RUN(futures);
	RUN(locks);
	RUN(containers);
	RUN(clocks);
	RUN(files);
	RUN(many);
	return finish();
}
