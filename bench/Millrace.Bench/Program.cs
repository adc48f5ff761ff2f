using Millrace;
using Millrace.Bench;
using Millrace.Bench.Files;
using Millrace.Bench.Queues;
using Millrace.Bench.Redis;
using Millrace.Bench.Scheduler;
using Millrace.Bench.Server;
using Millrace.Bench.Stomp;

// Areas that exist; a new one is a folder and a line here.
BenchArea[] areas = [QueueArea.Create(), FileArea.Create(), RedisArea.Create(), SchedulerArea.Create(), ServerArea.Create(), StompArea.Create()];

if (args is [RedisLatencyCase.ConsumerArgument, var redisUrl])
{
    await RedisLatencyCase.ConsumeAsync(redisUrl);
    return 0;
}

BenchArguments arguments;
try
{
    arguments = BenchArguments.Parse(args, areas);
}
catch (BenchUsageException problem)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return 2;
}

using var cancelling = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    cancelling.Cancel();
};

try
{
    await BenchRunner.RunAsync(arguments, Console.Out, Console.Error, cancelling.Token);
    return 0;
}
catch (OperationCanceledException) when (cancelling.IsCancellationRequested)
{
    return 130;
}
catch (MillraceException problem)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return 1;
}
